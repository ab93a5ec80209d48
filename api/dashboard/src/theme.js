// Light, dark, or as the system has it.
import { makeValue } from './live.js';

const NAME = 'reprise.theme';
const ORDER = ['auto', 'light', 'dark'];
const system = matchMedia('(prefers-color-scheme: dark)');

const stored = () => (ORDER.includes(localStorage.getItem(NAME)) ? localStorage.getItem(NAME) : 'auto');

export const theme = makeValue(stored());
export const isDark = makeValue(false);

function apply() {
    const root = document.documentElement;
    if (theme.get() === 'auto') delete root.dataset.theme;
    else root.dataset.theme = theme.get();
    isDark.set(theme.get() === 'dark' || (theme.get() === 'auto' && system.matches));
}

export function nextTheme() {
    theme.set(ORDER[(ORDER.indexOf(theme.get()) + 1) % ORDER.length]);
    localStorage.setItem(NAME, theme.get());
}

theme.follow(apply);
system.addEventListener('change', apply);
apply();
