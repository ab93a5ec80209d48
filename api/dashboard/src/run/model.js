// The events of a run as a timeline: lanes with spans between two events, all on one scale.
const time = (event) => new Date(event.at).getTime();
export const kindOf = (event) => event.type.slice(0, event.type.indexOf('.'));
export const statusOf = (event) => event.type.slice(event.type.indexOf('.') + 1);

const ENDED = new Set(['ready', 'complete', 'failed', 'canceled', 'expired']);
export const isEnded = (status) => ENDED.has(status);
const WAITS = { queued: 'queue', blocked: 'blocked' };

// events: by seq; `now` ends what has not ended. Answers {from, to, lanes: [{name, kind, spans: [{from, to, status, open}]}]}.
export function timelineOf(events, steps, now) {
    if (events.length === 0) return { from: now, to: now + 1, lanes: [] };
    const lanes = new Map();
    const lane = (name, kind) => {
        if (!lanes.has(`${kind} ${name}`)) lanes.set(`${kind} ${name}`, { name, kind, spans: [] });
        return lanes.get(`${kind} ${name}`);
    };
    lane('queue', 'wait');
    for (const step of steps) lane(step.name, 'step'); // in the order of the plan
    let waiting = null; // the span of a queue that the run is in
    let working = null; // the span of the step that is at work
    const close = (span, at, status) => {
        if (span) Object.assign(span, { to: at, status, open: false });
        return null;
    };
    for (const event of events) {
        const at = time(event);
        const status = statusOf(event);
        if (kindOf(event) === 'run') {
            waiting = close(waiting, at, waiting?.status);
            if (working && status !== 'running')
                working = close(working, at, isEnded(status) && status !== 'canceled' ? status : 'interrupted');
            if (WAITS[status]) {
                waiting = { from: at, to: now, status, open: true };
                lane(WAITS[status], 'wait').spans.push(waiting);
            }
        } else if (status === 'running') {
            close(working, at, 'interrupted');
            working = { from: at, to: now, status, open: true };
            lane(event.step, 'step').spans.push(working);
        } else if (working) {
            working = close(working, at, status);
        } else { // a step that takes no time is told of by its end alone
            lane(event.step, 'step').spans.push({ from: at, to: at, status, open: false });
        }
    }
    const from = time(events[0]);
    const last = time(events[events.length - 1]);
    const ended = events.some((e) => kindOf(e) === 'run' && isEnded(statusOf(e)));
    return { from, to: Math.max(ended ? last : now, from + 1), lanes: [...lanes.values()] };
}

// Of two tellings of the same events, the one with the most in it, by seq.
export function merged(...lists) {
    const bySeq = new Map();
    for (const event of lists.flat()) bySeq.set(event.seq, { ...bySeq.get(event.seq), ...event });
    return [...bySeq.values()].sort((a, b) => a.seq - b.seq);
}
