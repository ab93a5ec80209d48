// What keeps a page up to date: one feed for all of it, and loads that repeat. Paused, or in a hidden tab, nothing repeats.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { get } from './api.js';
import { watch } from './stream.js';

// --- values that components follow ---

export function makeValue(value) {
    const followers = new Set();
    return {
        get: () => value,
        set(next) {
            if (next === value) return;
            value = next;
            for (const follower of followers) follower(value);
        },
        follow(follower) {
            followers.add(follower);
            return () => followers.delete(follower);
        },
    };
}

export function useValue(one) {
    const [value, setValue] = useState(one.get());
    useEffect(() => {
        setValue(one.get());
        return one.follow(setValue);
    }, [one]);
    return value;
}

// --- live or paused, and the feed ---

export const live = makeValue(true);
export const feedState = makeValue('waiting'); // open, waiting, refused, paused
const visible = makeValue(!document.hidden);
document.addEventListener('visibilitychange', () => visible.set(!document.hidden));

const feedListeners = new Set();

// Follows /api/feed while live; a key or a server without it leaves the pages to their repeated loads.
export function useFeedConnection() {
    const isLive = useValue(live);
    const isVisible = useValue(visible);
    useEffect(() => {
        if (!isLive || !isVisible) {
            feedState.set('paused');
            return undefined;
        }
        feedState.set('waiting');
        return watch(
            '/api/feed',
            (event) => {
                for (const listener of feedListeners) listener(event);
            },
            (state) => feedState.set(state),
        );
    }, [isLive, isVisible]);
}

// --- loads ---

const LEAST_BETWEEN = 1500; // loads that the feed asks for

// GET `path` (null: nothing yet), and again `every` so many ms, and when an event comes for which `on(event)` is true.
// What was loaded stays until the next answer is here, so that nothing jumps. {data, error, busy, reload}.
export function useLoad(path, { every = 0, on } = {}) {
    const [found, setFound] = useState({ path: null, data: undefined, error: undefined });
    const [busy, setBusy] = useState(false);
    const isLive = useValue(live);
    const isVisible = useValue(visible);
    const running = useRef(null);

    const reload = useCallback(async () => {
        if (path === null) return;
        running.current?.abort();
        const mine = new AbortController();
        running.current = mine;
        setBusy(true);
        try {
            const data = await get(path, { signal: mine.signal });
            if (!mine.signal.aborted) setFound({ path, data, error: undefined });
        } catch (error) {
            if (!mine.signal.aborted)
                setFound((before) => ({ path, data: before.path === path ? before.data : undefined, error }));
        } finally {
            if (running.current === mine) setBusy(false);
        }
    }, [path]);

    useEffect(() => {
        reload();
        return () => running.current?.abort();
    }, [reload]);

    const given = found.error?.status;
    const hopeless = given >= 400 && given < 500 && given !== 429;
    useEffect(() => {
        if (!every || !isLive || !isVisible || hopeless) return undefined;
        const timer = setInterval(reload, every);
        return () => clearInterval(timer);
    }, [reload, every, isLive, isVisible, hopeless]);

    const wanted = useRef(on);
    wanted.current = on;
    useEffect(() => {
        let timer = 0;
        const listener = (event) => {
            const isWanted = wanted.current && (event.type === 'skipped' || wanted.current(event)); // some were not told
            if (!isWanted || timer) return;
            timer = setTimeout(() => {
                timer = 0;
                reload();
            }, LEAST_BETWEEN);
        };
        feedListeners.add(listener);
        return () => {
            clearTimeout(timer);
            feedListeners.delete(listener);
        };
    }, [reload]);

    const isOf = found.path === path;
    return { data: found.data, error: isOf ? found.error : undefined, busy: busy && !isOf, reload };
}

// Milliseconds since 1970, new every so often.
export function useNow(every = 5000) {
    const [now, setNow] = useState(Date.now());
    useEffect(() => {
        const timer = setInterval(() => setNow(Date.now()), every);
        return () => clearInterval(timer);
    }, [every]);
    return now;
}
