import { useState } from 'preact/hooks';
import { withQuery } from '../api.js';
import { number, seconds } from '../format.js';
import { useLoad } from '../live.js';
import { Card, Figure, Page, Trouble, Waiting } from '../parts/basics.jsx';
import { Chart } from '../parts/chart.jsx';
import { Icon } from '../parts/icon.jsx';
import { Pauses } from '../parts/pauses.jsx';
import { RunTable } from '../parts/run_table.jsx';
import { to } from '../route.js';

const STATUSES = ['queued', 'running', 'blocked', 'ready', 'complete', 'failed', 'canceled', 'expired'];
const ended = (event) => event.type.startsWith('run.');

export function Overview({ me }) {
    const { data, error, reload } = useLoad('/api/overview', { every: 5000, on: ended });
    return (
        <Page title="Overview" lead={me.operator ? 'All organisations' : `Runs of ${me.org}`}>
            <Trouble error={error} retry={reload} />
            {data && <Now data={data} me={me} reload={reload} />}
            {!data && !error && <Waiting />}
            {me.operator && <History />}
            <Latest me={me} />
        </Page>
    );
}

function Now({ data, me, reload }) {
    const { runs, workers } = data;
    return (
        <>
            {data.warnings?.length > 0 && (
                <ul class="warnings" aria-label="Warnings">
                    {data.warnings.map((w) => (
                        <li key={w.code}>
                            <Icon of="warning" />
                            <span>{w.message}</span>
                            <code>{w.code}</code>
                        </li>
                    ))}
                </ul>
            )}
            <Pauses paused={data.paused ?? []} me={me} onChange={reload} />
            <div class="figures" aria-label="Runs by status">
                {STATUSES.map((s) => (
                    <Figure key={s} name={s} of={s} value={number(runs?.[s] ?? 0)} href={to('runs', { status: s })} />
                ))}
                <Figure name="Dead letters" value={number(data.dead)} href={to('dead')} />
                <Figure name="Oldest queued" value={runs?.queued ? seconds(data.oldestQueuedSeconds) : '–'} />
                <Figure
                    name="Workers"
                    value={number(workers?.live ?? 0)}
                    href={me.operator ? to('workers') : undefined}
                    note={`${number(workers?.busy ?? 0)} of ${number(workers?.slots ?? 0)} slots busy`}
                />
                <Figure name="Durability" value={data.durability ?? '–'} note="append-only file" />
            </div>
        </>
    );
}

// --- charts ---

const RATES = [
    ['accepted', 'accent'],
    ['started', 'running'],
    ['ended', 'good'],
    ['failed', 'bad'],
];
const perMinute = (n) => (n >= 100 ? number(Math.round(n)) : String(Math.round(n * 10) / 10));
const whole = (n) => number(Math.round(n));

function History() {
    const [span, setSpan] = useState('hour');
    const { data, error, reload } = useLoad(withQuery('/api/history', { span }), { every: span === 'hour' ? 10_000 : 60_000 });
    const spans = (
        <div class="choice" role="group" aria-label="Span">
            {[
                ['hour', 'Hour'],
                ['week', 'Week'],
            ].map(([value, name]) => (
                <button key={value} type="button" aria-pressed={span === value} onClick={() => setSpan(value)}>
                    {name}
                </button>
            ))}
        </div>
    );
    return (
        <Card title="Over time" side={spans}>
            <Trouble error={error} retry={reload} />
            {data && <Charts key={data.span} data={data} />}
            {!data && !error && (
                <div class="charts" aria-hidden="true">
                    <div class="chart is-empty" />
                    <div class="chart is-empty" />
                </div>
            )}
        </Card>
    );
}

function Charts({ data }) {
    const { columns, rows, stepSeconds } = data;
    const at = (name) => columns.indexOf(name);
    // Counters only grow; where one fell, or samples are missing, nothing is known of the rate.
    const rate = (name) => (row, before) => {
        if (!before || row[0] - before[0] > 3 * stepSeconds || row[at(name)] < before[at(name)]) return null;
        return ((row[at(name)] - before[at(name)]) * 60) / (row[0] - before[0]);
    };
    const gauge = (name) => (row) => row[at(name)];
    return (
        <div class="charts">
            <Chart
                title="Runs per minute"
                rows={rows}
                unit={perMinute}
                lines={RATES.map(([name, colour]) => ({ name, colour, of: rate(name) }))}
            />
            <Chart
                title="Depth"
                rows={rows}
                unit={whole}
                whole
                lines={[
                    { name: 'queued', colour: 'accent', of: gauge('queued'), filled: true },
                    { name: 'running', colour: 'running', of: gauge('running') },
                    { name: 'blocked', colour: 'warn', of: gauge('blocked') },
                ]}
            />
            <Chart
                title="Oldest queued run"
                rows={rows}
                unit={seconds}
                lines={[{ name: 'waits', colour: 'accent', of: gauge('oldestSeconds'), filled: true }]}
            />
            <Chart
                title="Slots"
                rows={rows}
                unit={whole}
                whole
                lines={[
                    { name: 'slots', colour: 'quiet', of: gauge('slots') },
                    { name: 'busy', colour: 'running', of: gauge('busy'), filled: true },
                ]}
            />
        </div>
    );
}

function Latest({ me }) {
    const { data, error, reload } = useLoad('/api/runs?limit=10', { every: 10_000, on: ended });
    return (
        <Card title="Latest runs" side={<a href={to('runs')}>All runs</a>}>
            <Trouble error={error} retry={reload} />
            {data ? <RunTable runs={data.runs} me={me} /> : !error && <Waiting />}
        </Card>
    );
}
