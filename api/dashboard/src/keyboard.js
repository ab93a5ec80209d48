// Keys: `/` to search, `g` and a letter to a page, `j` and `k` along a list, `p` to pause, `?` for help.
import { useLayoutEffect } from 'preact/hooks';
import { live } from './live.js';
import { go, to } from './route.js';

export const PAGES = [
    ['o', 'overview', 'Overview'],
    ['r', 'runs', 'Runs'],
    ['f', 'failures', 'Failures'],
    ['d', 'dead', 'Dead letters'],
    ['b', 'bulk', 'Bulk retry'],
    ['w', 'workers', 'Workers'],
    ['q', 'queue', 'Queue'],
    ['a', 'audit', 'Audit'],
];

const CHORD = 1500;
const isTyping = (target) => target.closest?.('input, textarea, select, dialog[open]');

function step(by) {
    const links = [...document.querySelectorAll('main [data-row]')];
    const at = links.indexOf(document.activeElement);
    links[Math.min(Math.max(at + by, 0), links.length - 1)]?.focus();
}

export function useKeyboard(help) {
    // Before anything is painted: who sees the page may press a key at once.
    useLayoutEffect(() => {
        let chord = 0;
        const pressed = (event) => {
            if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
            const after = event.timeStamp - chord < CHORD;
            chord = 0;
            const page = after && PAGES.find(([key]) => key === event.key);
            if (page) go(to(page[1]));
            else if (event.key === '/') document.querySelector('#search')?.focus();
            else if (event.key === 'g') chord = event.timeStamp;
            else if (event.key === 'j') step(1);
            else if (event.key === 'k') step(-1);
            else if (event.key === 'p') live.set(!live.get());
            else if (event.key === '?') help();
            else return;
            event.preventDefault();
        };
        addEventListener('keydown', pressed);
        return () => removeEventListener('keydown', pressed);
    }, [help]);
}
