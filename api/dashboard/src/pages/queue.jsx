import { useState } from 'preact/hooks';
import { post, whyNot, withQuery } from '../api.js';
import { number, seconds } from '../format.js';
import { useLoad } from '../live.js';
import { Card, Facts, Figure, Page, say, Trouble, Waiting } from '../parts/basics.jsx';
import { Pauses } from '../parts/pauses.jsx';
import { go, to } from '../route.js';

const rate = (n) => (typeof n === 'number' ? `${Math.round(n * 600) / 10} a minute` : '–');

export function Queue({ me, query }) {
    const { data, error, reload } = useLoad('/api/queue', { every: 3000 });
    return (
        <Page title="Queue">
            <Trouble error={error} retry={reload} />
            {!data && !error && <Waiting />}
            {data && <Pauses paused={data.paused ?? []} me={me} onChange={reload} />}
            {data && <Depth queue={data} />}
            <div class="two-columns">
                <PauseForm me={me} onChange={reload} />
                <Scale query={query} />
            </div>
        </Page>
    );
}

function Depth({ queue }) {
    const tools = Object.entries(queue.blockedTools ?? {});
    const per = queue.perSecond ?? {};
    return (
        <>
            <div class="figures">
                <Figure
                    name="queued"
                    of="queued"
                    value={number(queue.queued)}
                    note={`oldest ${seconds(queue.oldestQueuedSeconds)}`}
                    href={to('runs', { status: 'queued' })}
                />
                <Figure name="in streams" value={number(queue.inStreams)} />
                <Figure name="delayed" value={number(queue.delayed)} note="backing off" />
                <Figure name="held" value={number(queue.held)} note="by a pause" />
                <Figure name="running" of="running" value={number(queue.running)} href={to('runs', { status: 'running' })} />
                <Figure name="blocked" of="blocked" value={number(queue.blocked)} href={to('runs', { status: 'blocked' })} />
            </div>
            <Card title="Rates">
                <Facts
                    rows={[
                        ['Accepted', rate(per.accepted)],
                        ['Started', rate(per.started)],
                        ['Ended', rate(per.ended)],
                    ]}
                />
            </Card>
            {tools.length > 0 && (
                <Card title="Missing tools">
                    <Facts rows={tools.map(([tool, n]) => [tool, `${number(n)} blocked`])} />
                </Card>
            )}
        </>
    );
}

function PauseForm({ me, onChange }) {
    const [what, setWhat] = useState('all');
    const pause = async (event) => {
        event.preventDefault();
        const { name, reason } = event.currentTarget.elements;
        const body = { reason: reason.value.trim() || undefined };
        if (what !== 'all') body[what] = name.value.trim();
        try {
            await post('/api/queue/pause', body);
            say('Paused. Runs are still accepted and wait.');
            onChange();
        } catch (refused) {
            say(refused.message, 'bad');
        }
    };
    const why = whyNot(me);
    return (
        <Card title="Pause">
            <form class="filters" onSubmit={pause}>
                <label class="field">
                    What
                    <select onChange={(e) => setWhat(e.currentTarget.value)}>
                        <option value="all">everything</option>
                        <option value="mode">one mode</option>
                        <option value="projectId">one project</option>
                    </select>
                </label>
                {what !== 'all' && (
                    <label class="field">
                        {what === 'mode' ? 'Mode' : 'Project id'}
                        <input name="name" required spellcheck={false} autoComplete="off" />
                    </label>
                )}
                <label class="field">
                    Reason
                    <input name="reason" maxLength={1000} autoComplete="off" />
                </label>
                <div class="buttons">
                    <button type="submit" disabled={Boolean(why)}>
                        Pause
                    </button>
                    {why && <small class="why">{why}</small>}
                </div>
            </form>
            <p class="quiet">A paused queue still accepts: what comes waits until it is resumed. Runs at work go on.</p>
        </Card>
    );
}

function Scale({ query }) {
    const { data, error, reload } = useLoad(withQuery('/api/scale', { slo: query.slo, service: query.service }), { every: 5000 });
    const ask = (event) => {
        event.preventDefault();
        go(to('queue', Object.fromEntries(new FormData(event.currentTarget).entries())));
    };
    const inputs = data?.inputs;
    const left = inputs?.notCounted ?? {};
    return (
        <Card title="Workers wanted">
            <Trouble error={error} retry={reload} />
            {data && (
                <p class="answer">
                    <strong>{number(data.workers)}</strong> {data.message}
                </p>
            )}
            <form class="filters" onSubmit={ask} key={JSON.stringify(query)}>
                <label class="field">
                    Start within, s
                    <input
                        class="short"
                        name="slo"
                        inputMode="numeric"
                        defaultValue={query.slo ?? ''}
                        placeholder={String(inputs?.sloSeconds ?? 60)}
                    />
                </label>
                <label class="field">
                    A run takes, s
                    <input
                        class="short"
                        name="service"
                        inputMode="numeric"
                        defaultValue={query.service ?? ''}
                        placeholder="as measured"
                    />
                </label>
                <div class="buttons">
                    <button type="submit">Ask</button>
                </div>
            </form>
            {inputs && (
                <Facts
                    rows={[
                        ['Arrive', rate(inputs.arrivalPerSecond)],
                        [
                            'A run takes',
                            inputs.serviceKnown ? seconds(inputs.serviceSeconds) : `${seconds(inputs.serviceSeconds)} (a guess)`,
                        ],
                        ['Wait', number(inputs.waiting)],
                        ['Run', number(inputs.running)],
                        ['Slots per worker', number(inputs.slotsPerWorker)],
                        ['Live workers', number(inputs.liveWorkers)],
                        [
                            'Not counted',
                            `${number(left.held ?? 0)} held, ${number(left.delayed ?? 0)} delayed, ${number(left.blocked ?? 0)} blocked`,
                        ],
                    ]}
                />
            )}
        </Card>
    );
}
