// Queue, steps and attempts of a run on one scale; and every event in its order.
import { useState } from 'preact/hooks';
import { clockTime, duration, fullTime } from '../format.js';
import { useNow } from '../live.js';
import { Card, Status } from '../parts/basics.jsx';
import { Icon } from '../parts/icon.jsx';
import { StepDetail } from './log.jsx';
import { isEnded, kindOf, statusOf, timelineOf } from './model.js';

const percent = (n) => `${(n * 100).toFixed(3)}%`;

export function Timeline({ run, events }) {
    const running = !isEnded(run.status);
    const now = useNow(running ? 500 : 60_000);
    const line = timelineOf(events, run.steps ?? [], now);
    const steps = new Map((run.steps ?? []).map((step) => [step.name, step]));
    const [open, setOpen] = useState(() => (run.steps ?? []).filter((s) => s.error).map((s) => s.name));
    const toggle = (name) => setOpen(open.includes(name) ? open.filter((one) => one !== name) : [...open, name]);
    return (
        <Card title="Timeline" side={<span class="quiet">{duration(line.to - line.from)} in all</span>}>
            <ol class="timeline">
                {line.lanes.map((lane) => (
                    <Lane
                        key={`${lane.kind} ${lane.name}`}
                        lane={lane}
                        line={line}
                        run={run}
                        step={lane.kind === 'step' ? steps.get(lane.name) : undefined}
                        open={lane.kind === 'step' && open.includes(lane.name)}
                        toggle={() => toggle(lane.name)}
                    />
                ))}
            </ol>
            <div class="scale" aria-hidden="true">
                {[0, 0.25, 0.5, 0.75, 1].map((f) => (
                    <span key={f}>{f === 0 ? '0' : duration((line.to - line.from) * f)}</span>
                ))}
            </div>
        </Card>
    );
}

function Lane({ lane, line, run, step, open, toggle }) {
    const took = lane.spans.reduce((sum, span) => sum + span.to - span.from, 0);
    const status =
        lane.kind === 'wait' ? (lane.spans.at(-1)?.status ?? 'queued') : (step?.status ?? lane.spans.at(-1)?.status ?? 'pending');
    const name =
        lane.kind === 'wait' ? (
            <span class="lane-name">{lane.name}</span>
        ) : (
            <button type="button" class="lane-name" aria-expanded={open} onClick={toggle}>
                <Icon of="twist" class="twist" />
                {lane.name}
            </button>
        );
    return (
        <li class={`lane is-${lane.kind}`}>
            <div class="lane-row">
                {name}
                <span class="lane-status">{lane.kind === 'step' && <Status of={status} />}</span>
                <Bars lane={lane} line={line} />
                <span class="lane-took">
                    {lane.spans.length === 0 ? '–' : duration(took)}
                    {step?.attempt > 1 && <small class="quiet"> attempt {step.attempt}</small>}
                </span>
            </div>
            {step?.error && !open && (
                <p class="lane-error">
                    <code>{step.error.code}</code> <span class="clip">{step.error.message}</span>
                </p>
            )}
            {open && <StepDetail run={run} step={step ?? { name: lane.name, status }} />}
        </li>
    );
}

function Bars({ lane, line }) {
    const whole = line.to - line.from;
    return (
        <span class="bars">
            {lane.spans.map((span, i) => (
                <span
                    key={span.from}
                    class={`bar is-${span.status} ${span.open ? 'is-open' : ''}`}
                    title={`${lane.name}${lane.spans.length > 1 ? ` (${i + 1})` : ''}: ${span.status}, ${duration(span.to - span.from)}`}
                    style={{ left: percent((span.from - line.from) / whole), width: percent((span.to - span.from) / whole) }}
                />
            ))}
        </span>
    );
}

// --- the events one by one ---

export function Events({ events }) {
    if (events.length === 0) return null;
    const begin = new Date(events[0].at);
    return (
        <Card title="Events" side={<span class="quiet">{events.length}</span>}>
            <ol class="events">
                {events.map((event) => (
                    <li key={event.seq} class={`is-${kindOf(event)}`}>
                        <time dateTime={event.at} title={fullTime(event.at)}>
                            {clockTime(event.at)}
                        </time>
                        <span class="quiet after">+{duration(new Date(event.at) - begin)}</span>
                        <Status of={statusOf(event)} />
                        <span class="clip">{event.step ?? <strong>the run</strong>}</span>
                        <span class="quiet clip by">
                            {event.by && <code>{event.by}</code>}
                            {event.cause && ` ${event.cause}`}
                        </span>
                    </li>
                ))}
            </ol>
        </Card>
    );
}
