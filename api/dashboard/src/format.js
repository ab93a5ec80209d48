// Times, lengths and sizes as people read them.
const count = new Intl.NumberFormat('en');
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', {
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
});

export const number = (n) => (typeof n === 'number' ? count.format(n) : '–');
export const clockTime = (at) => clock.format(new Date(at));
export const fullTime = (at) => day.format(new Date(at));

export function duration(milliseconds) {
    const ms = Math.max(0, milliseconds);
    if (ms < 1000) return `${Math.round(ms)} ms`;
    if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
    const minutes = Math.floor(ms / 60_000);
    if (minutes < 60) return `${minutes} min ${Math.floor((ms % 60_000) / 1000)} s`;
    const hours = Math.floor(minutes / 60);
    if (hours < 48) return `${hours} h ${minutes % 60} min`;
    return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export const seconds = (s) => (typeof s === 'number' ? duration(s * 1000) : '–');

export function ago(at, now) {
    const s = Math.round((now - new Date(at)) / 1000);
    const size = Math.abs(s);
    const [n, unit] =
        size < 60
            ? [size, 's']
            : size < 3600
              ? [Math.floor(size / 60), 'min']
              : size < 172_800
                ? [Math.floor(size / 3600), 'h']
                : [Math.floor(size / 86_400), 'd'];
    if (size < 5) return 'just now';
    return s >= 0 ? `${n} ${unit} ago` : `in ${n} ${unit}`;
}

export function bytes(n) {
    if (typeof n !== 'number') return '–';
    if (n < 1024) return `${n} B`;
    const units = ['KiB', 'MiB', 'GiB'];
    let size = n / 1024;
    let unit = 0;
    while (size >= 1024 && unit < 2) {
        size /= 1024;
        unit += 1;
    }
    return `${size.toFixed(size < 10 ? 1 : 0)} ${units[unit]}`;
}

// An id by its end, which tells them apart; the whole of it stands in the title.
export const shortId = (id) => (id && id.length > 16 ? `${id.slice(0, 4)}…${id.slice(-8)}` : id);
