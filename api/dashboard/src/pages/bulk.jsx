// Retrying many: first how many it would be, then a wave with a rate and a canary, which can be stopped.
import { useState } from 'preact/hooks';
import { post, whyNot } from '../api.js';
import { number } from '../format.js';
import { useLoad } from '../live.js';
import { Act, Card, Empty, Page, say, Status, Time, Trouble, Waiting } from '../parts/basics.jsx';

const GOING = new Set(['canary', 'running']);
const FIELDS = ['of', 'org', 'projectId', 'step', 'code', 'rate', 'canary', 'reason'];

const filled = (form) =>
    Object.fromEntries(FIELDS.map((name) => [name, form.elements[name]?.value.trim()]).filter(([, value]) => value));

export function Bulk({ me, query }) {
    const { data, error, reload } = useLoad('/api/bulk', { every: 2000 });
    return (
        <Page title="Bulk retry" lead="A wave of retries that begins with a few, and stops when they fail">
            <Wave key={JSON.stringify(query)} me={me} query={query} onStarted={reload} />
            <Card title="Waves">
                <Trouble error={error} retry={reload} />
                {data
                    ? data.bulks.map((b) => <Progress key={b.id} bulk={b} me={me} onChange={reload} />)
                    : !error && <Waiting />}
                {data && data.bulks.length === 0 && <Empty title="No wave so far" />}
            </Card>
        </Page>
    );
}

function Wave({ me, query, onStarted }) {
    const [matched, setMatched] = useState(null); // of the last dry run, until a field changes
    const [error, setError] = useState('');
    const [busy, setBusy] = useState(false);
    const send = async (event) => {
        event.preventDefault();
        const form = event.currentTarget;
        setError('');
        setBusy(true);
        try {
            if (matched === null) {
                setMatched(await post('/api/bulk', { ...filled(form), dryRun: 'true' }));
            } else {
                await post('/api/bulk', filled(form));
                say('The wave has begun.');
                setMatched(null);
                onStarted();
            }
        } catch (refused) {
            setError(refused.message);
        }
        setBusy(false);
    };
    const text = (name, label, more) => (
        <label class="field">
            {label}
            <input name={name} defaultValue={query[name] ?? ''} autoComplete="off" spellcheck={false} {...more} />
        </label>
    );
    const why = whyNot(me);
    return (
        <Card title="New wave">
            <form class="filters" onSubmit={send} onInput={() => setMatched(null)}>
                <label class="field">
                    Of
                    <select name="of">
                        <option value="dead" selected={query.of !== 'failed'}>
                            dead letters
                        </option>
                        <option value="failed" selected={query.of === 'failed'}>
                            failed runs
                        </option>
                    </select>
                </label>
                {me.operator && text('org', 'Organisation', { required: true })}
                {text('projectId', 'Project id', { placeholder: 'any' })}
                {text('step', 'Step', { placeholder: 'any' })}
                {text('code', 'Error code', { placeholder: 'any' })}
                {text('rate', 'Per second', { inputMode: 'numeric', placeholder: '5', class: 'short' })}
                {text('canary', 'Canary', { inputMode: 'numeric', placeholder: '1', class: 'short' })}
                {text('reason', 'Reason', { maxLength: 1000 })}
                <div class="buttons">
                    <span class="act">
                        {matched === null ? (
                            <button type="submit" disabled={busy || Boolean(why)}>
                                Count
                            </button>
                        ) : (
                            <button type="submit" class="main" disabled={busy || matched.matched === 0}>
                                Retry {number(matched.matched)}
                                {matched.more ? ' or more' : ''}
                            </button>
                        )}
                        {why && <small class="why">{why}</small>}
                    </span>
                    {matched && (
                        <span role="status">
                            {matched.matched === 0
                                ? 'No run is like this.'
                                : `${number(matched.matched)}${matched.more ? ' or more' : ''} runs would be retried.`}
                        </span>
                    )}
                </div>
                {error && (
                    <p class="trouble" role="alert">
                        {error}
                    </p>
                )}
            </form>
        </Card>
    );
}

function Progress({ bulk, me, onChange }) {
    const stop = async () => {
        try {
            await post(`/api/bulk/${encodeURIComponent(bulk.id)}/stop`);
            say('The wave was stopped.');
        } catch (refused) {
            say(refused.message, 'bad');
        }
        onChange();
    };
    const done = bulk.retried + (bulk.refused ?? 0);
    return (
        <article class="wave">
            <div class="wave-head">
                <Status of={bulk.state} />
                <span>{bulk.of === 'dead' ? 'dead letters' : 'failed runs'}</span>
                <span class="quiet">
                    <Time at={bulk.startedAt} /> by <code>{bulk.by}</code>
                    {bulk.reason ? `: ${bulk.reason}` : ''}
                </span>
                {GOING.has(bulk.state) && (
                    <Act why={whyNot(me)} onClick={stop}>
                        Stop
                    </Act>
                )}
            </div>
            <progress max={Math.max(bulk.matched, 1)} value={done} aria-label="Progress" />
            <p class="quiet">
                {number(bulk.retried)} of {number(bulk.matched)}
                {bulk.more ? ' or more' : ''} retried{bulk.refused ? `, ${number(bulk.refused)} refused` : ''};{' '}
                {number(bulk.rate)} a second; canary of {number(bulk.canary)}
                {bulk.canaryFailed ? `, of which ${number(bulk.canaryFailed)} failed` : ''}
                {bulk.endedBecause ? `. Stopped: ${bulk.endedBecause}` : ''}
            </p>
        </article>
    );
}
