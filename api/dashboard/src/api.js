// Calls of the API with the key of this tab. The key is in sessionStorage and in the Authorization header, nowhere else: no
// cookie, so nothing that another site makes this browser send carries it.
const KEY = 'reprise.key';
const listeners = new Set();

export const storedKey = () => sessionStorage.getItem(KEY) ?? '';

export function storeKey(key) {
    if (key) sessionStorage.setItem(KEY, key);
    else sessionStorage.removeItem(KEY);
}

// `tell(message)` when the API takes the key no more.
export function onSignedOut(tell) {
    listeners.add(tell);
    return () => listeners.delete(tell);
}

export class Refused extends Error {
    constructor(status, code, message) {
        super(message || code);
        this.status = status;
        this.code = code;
    }
}

export async function refusalOf(answer) {
    const said = await answer.json().catch(() => ({}));
    const refused = new Refused(answer.status, said.error ?? `http_${answer.status}`, said.message);
    if (answer.status === 401) for (const tell of listeners) tell('The key is unknown, expired or revoked.');
    return refused;
}

export async function request(method, path, { body, headers, signal } = {}) {
    const sent = { Authorization: `Bearer ${storedKey()}`, ...headers };
    if (body !== undefined) sent['Content-Type'] = 'application/json';
    let answer;
    try {
        answer = await fetch(path, {
            method,
            headers: sent,
            signal,
            body: body === undefined ? undefined : JSON.stringify(body),
            cache: 'no-store',
            credentials: 'omit',
            redirect: 'error',
        });
    } catch (failed) {
        if (failed.name === 'AbortError') throw failed;
        throw new Refused(0, 'unreachable', 'The API cannot be reached.');
    }
    if (!answer.ok) throw await refusalOf(answer);
    return answer;
}

export const get = async (path, more) => (await request('GET', path, more)).json();
export const post = async (path, body = {}, more = {}) => (await request('POST', path, { ...more, body })).json();

// `/path?name=value`, without what is empty.
export function withQuery(path, values) {
    const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== undefined && value !== ''));
    return query.size ? `${path}?${query}` : path;
}

// Not crypto.randomUUID(), which browsers keep from pages that came by plain HTTP.
export function randomKey() {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), (n) => n.toString(16).padStart(2, '0')).join('');
}

// --- what a key may ---

export const mayAct = (me) => me.scopes.includes(me.operator ? 'ops:write' : 'runs:write');
export const whyNot = (me) => (mayAct(me) ? '' : `This key lacks ${me.operator ? 'ops:write' : 'runs:write'}.`);
