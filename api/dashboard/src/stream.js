// Server-Sent Events by fetch: EventSource cannot send the key. Comes back with growing pauses when the connection is lost, and
// tells the server the last event that it has seen.
import { refusalOf, storedKey } from './api.js';

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;
const SILENCE = 45_000; // the server says something every 15 s
const LONGEST_EVENT = 1 << 20;

// take({id, type, data}) for each event; state('open' | 'waiting' | 'ended' | 'refused', why?). Answers a function that ends it.
export function watch(path, take, state) {
    const stop = new AbortController();
    follow(path, take, state, stop.signal).catch((defect) => {
        if (!stop.signal.aborted) console.error(defect);
    });
    return () => stop.abort();
}

async function follow(path, take, state, signal) {
    let last = '';
    let pause = FIRST_PAUSE;
    const taken = (event) => {
        last = event.id || last;
        pause = FIRST_PAUSE;
        take(event);
    };
    while (!signal.aborted) {
        const ended = await once(path, last, taken, state, signal);
        if (ended || signal.aborted) return;
        state('waiting');
        await pauseFor(pause * (0.75 + Math.random() / 2), signal);
        pause = Math.min(pause * 2, LONGEST_PAUSE);
    }
}

// True: there is nothing to come back for.
async function once(path, last, take, state, signal) {
    const attempt = new AbortController();
    const abort = () => attempt.abort();
    signal.addEventListener('abort', abort);
    let silence = setTimeout(abort, SILENCE);
    try {
        const headers = { Authorization: `Bearer ${storedKey()}`, Accept: 'text/event-stream' };
        if (last) headers['Last-Event-ID'] = last;
        const answer = await fetch(path, { headers, signal: attempt.signal, cache: 'no-store', credentials: 'omit' });
        if (answer.status === 204) {
            state('ended');
            return true;
        }
        if (!answer.ok) {
            const refused = await refusalOf(answer);
            if (answer.status >= 500 || answer.status === 429) return false;
            state('refused', refused);
            return true;
        }
        state('open');
        const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
        let text = '';
        for (;;) {
            const { done, value } = await reader.read();
            if (done) return false;
            clearTimeout(silence);
            silence = setTimeout(abort, SILENCE);
            text = takeWhole(text + value, take);
            if (text.length > LONGEST_EVENT) return false;
        }
    } catch {
        return false; // the connection is lost; the caller comes back
    } finally {
        clearTimeout(silence);
        signal.removeEventListener('abort', abort);
        attempt.abort();
    }
}

// Takes the events that have come whole; answers the rest.
function takeWhole(text, take) {
    const blocks = text.split('\n\n');
    const rest = blocks.pop();
    for (const block of blocks) {
        const event = { id: '', type: 'message', data: '' };
        for (const line of block.split('\n')) {
            const colon = line.indexOf(': ');
            const name = line.slice(0, colon);
            const value = line.slice(colon + 2);
            if (name === 'id') event.id = value;
            if (name === 'event') event.type = value;
            if (name === 'data') event.data += value;
        }
        if (event.data) take({ ...event, data: JSON.parse(event.data) });
    }
    return rest;
}

function pauseFor(milliseconds, signal) {
    return new Promise((resolve) => {
        const done = () => {
            clearTimeout(timer);
            signal.removeEventListener('abort', done);
            resolve();
        };
        const timer = setTimeout(done, milliseconds);
        signal.addEventListener('abort', done);
    });
}
