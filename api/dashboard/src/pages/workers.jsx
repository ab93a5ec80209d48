import { useState } from 'preact/hooks';
import { post, whyNot } from '../api.js';
import { number } from '../format.js';
import { useLoad } from '../live.js';
import { Card, Empty, Figure, Gauge, Page, RunLink, Status, Time, Trouble, Waiting } from '../parts/basics.jsx';
import { Confirm } from '../parts/confirm.jsx';

const ORDERS = {
    quiet: ['Quiet', 'It finishes what it has and takes no more runs, until it is resumed.'],
    resume: ['Resume', 'It takes runs again.'],
    drain: ['Drain', 'It takes no more runs, gives those in hand their time, and ends.'],
    stop: ['Stop', 'It hands its runs back at once, to be gone on with elsewhere, and ends.'],
};

export function Workers({ me }) {
    const { data, error, reload } = useLoad('/api/workers', { every: 3000 });
    const [asked, setAsked] = useState(null); // [worker, order]
    const totals = data?.totals ?? {};
    return (
        <Page title="Workers">
            <Trouble error={error} retry={reload} />
            {data && (
                <div class="figures">
                    {['live', 'quiet', 'draining', 'lost'].map((name) => (
                        <Figure key={name} name={name} value={number(totals[name] ?? 0)} />
                    ))}
                    <Figure name="slots busy" value={`${number(totals.busy ?? 0)} of ${number(totals.slots ?? 0)}`} />
                </div>
            )}
            {!data && !error && <Waiting />}
            {data?.workers.length === 0 && (
                <Card>
                    <Empty title="No worker is alive">
                        Runs wait until one starts: <code>reprise-worker</code>.
                    </Empty>
                </Card>
            )}
            <div class="workers">
                {data?.workers.map((w) => (
                    <Worker key={w.id} worker={w} me={me} ask={(order) => setAsked([w, order])} />
                ))}
            </div>
            {asked && <Order worker={asked[0]} order={asked[1]} onClose={() => setAsked(null)} onDone={reload} />}
        </Page>
    );
}

function Worker({ worker, me, ask }) {
    const orders =
        worker.state === 'lost'
            ? []
            : worker.state === 'quiet'
              ? ['resume', 'drain', 'stop']
              : worker.state === 'draining'
                ? ['stop']
                : ['quiet', 'drain', 'stop'];
    const why = whyNot(me);
    return (
        <article class="card worker" aria-label={`Worker ${worker.id}`}>
            <header>
                <h2>
                    <span class="clip">{worker.host ?? 'gone'}</span> <small class="quiet">{worker.pid}</small>
                </h2>
                <Status of={worker.state} />
                {worker.order && <small class="quiet">told to {worker.order}</small>}
            </header>
            {worker.slots !== undefined && (
                <p class="slots">
                    <Gauge value={worker.busy} max={worker.slots} />
                    {worker.busy} of {worker.slots} busy
                </p>
            )}
            {worker.runs?.length > 0 && (
                <ul class="plain-list">
                    {worker.runs.map((r) => (
                        <li key={r.run}>
                            <RunLink id={r.run} /> {r.step && <code class="quiet">{r.step}</code>}
                        </li>
                    ))}
                </ul>
            )}
            <p class="quiet small">
                <code class="clip" title={worker.id}>
                    {worker.id}
                </code>
                <br />
                {worker.version && <>version {worker.version}; </>}last beat <Time at={worker.lastBeatAt} />
                {worker.startedAt && (
                    <>
                        ; started <Time at={worker.startedAt} />
                    </>
                )}
                {worker.modes?.length > 0 && (
                    <>
                        <br />
                        modes {worker.modes.join(', ')}
                    </>
                )}
                {worker.tools?.length > 0 && (
                    <>
                        <br />
                        tools {worker.tools.join(', ')}
                    </>
                )}
            </p>
            <div class="buttons">
                {orders.map((order) => (
                    <button
                        key={order}
                        type="button"
                        class={order === 'stop' ? 'bad' : ''}
                        disabled={Boolean(why)}
                        onClick={() => ask(order)}>
                        {ORDERS[order][0]}
                    </button>
                ))}
                {why && <small class="why">{why}</small>}
            </div>
        </article>
    );
}

function Order({ worker, order, onClose, onDone }) {
    const [name, meaning] = ORDERS[order];
    const give = async (reason) => {
        await post(`/api/workers/${encodeURIComponent(worker.id)}/${order}`, { reason });
        onDone();
        return `${name}: ${worker.host} ${worker.pid} was told.`;
    };
    return (
        <Confirm
            title={`${name} this worker`}
            button={name}
            kind={order === 'stop' ? 'bad' : 'main'}
            act={give}
            onClose={onClose}>
            <p>{meaning}</p>
        </Confirm>
    );
}
