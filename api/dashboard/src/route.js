// Where one is: #/page/id?name=value. All that a view is made of stands in it, so that an address can be passed on.
import { useEffect, useState } from 'preact/hooks';

export function readRoute(hash) {
    const [path, query] = hash.replace(/^#?\/?/, '').split('?', 2);
    const [page, id] = path.split('/').map(decode);
    return { page: page || 'overview', id: id ?? '', query: Object.fromEntries(new URLSearchParams(query ?? '')) };
}

function decode(part) {
    try {
        return decodeURIComponent(part);
    } catch {
        return part;
    }
}

// The address of a page; what is empty is left out.
export function to(page, values = {}) {
    const path = page.split('/').map(encodeURIComponent).join('/');
    const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== undefined && value !== ''));
    return `#/${path}${query.size ? `?${query}` : ''}`;
}

export const go = (hash) => {
    location.hash = hash;
};

export function useRoute() {
    const [route, setRoute] = useState(readRoute(location.hash));
    useEffect(() => {
        const changed = () => setRoute(readRoute(location.hash));
        addEventListener('hashchange', changed);
        return () => removeEventListener('hashchange', changed);
    }, []);
    return route;
}
