// What a step said and left, and how its files are fetched. The key goes in a header, so a plain link would not do; and nothing
// that a generator made is ever shown as a page of ours: text is shown as text, the rest is saved.
import { useEffect, useState } from 'preact/hooks';
import { request, withQuery } from '../api.js';
import { Facts, say } from '../parts/basics.jsx';

const SHOWN = 64 << 10; // bytes of a log, its last

const addressOf = (run, key) => withQuery('/api/artifacts/download', { runId: run, key });

export async function save(run, key) {
    try {
        const answer = await request('GET', addressOf(run, key));
        const bytes = new Blob([await answer.arrayBuffer()], { type: 'application/octet-stream' });
        const link = document.createElement('a');
        link.href = URL.createObjectURL(bytes);
        link.download = key.split('/').pop();
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    } catch (refused) {
        say(`${key}: ${refused.message}`, 'bad');
    }
}

async function endOf(run, key, signal) {
    const answer = await request('GET', addressOf(run, key), { headers: { Range: `bytes=-${SHOWN}` }, signal });
    const whole = Number(answer.headers.get('Content-Range')?.split('/')[1]);
    const text = await answer.text();
    return { text, cut: answer.status === 206 && whole > SHOWN };
}

export function StepDetail({ run, step }) {
    const error = step.error;
    const key = `logs/${step.name}.txt`;
    const hasLog = (run.artifactManifest?.artifacts ?? []).some((a) => a.key === key);
    const files = (step.artifacts ?? []).filter((one) => one !== key);
    return (
        <div class="step-detail">
            {error && (
                <p class="trouble">
                    <code>{error.code}</code> <span class="said">{error.message}</span>
                </p>
            )}
            <Facts
                rows={[
                    ['Attempt', step.attempt],
                    ['Exit code', error?.exitCode],
                    ['Signal', error?.signal],
                    ['Optional', step.required === false && 'the run goes on without it'],
                    [
                        'Left',
                        files.length > 0 &&
                            files.map((one) => (
                                <button key={one} type="button" class="file" onClick={() => save(run.id, one)}>
                                    {one}
                                </button>
                            )),
                    ],
                ]}
            />
            {hasLog ? (
                <Log key={`${step.attempt} ${step.status}`} run={run.id} name={key} />
            ) : (
                <p class="quiet">No log{step.status === 'running' ? ' yet' : ''}.</p>
            )}
        </div>
    );
}

function Log({ run, name }) {
    const [log, setLog] = useState(null);
    const [error, setError] = useState('');
    useEffect(() => {
        const stop = new AbortController();
        endOf(run, name, stop.signal).then(setLog, (refused) => refused.name !== 'AbortError' && setError(refused.message));
        return () => stop.abort();
    }, [run, name]);
    if (error) return <p class="quiet">The log cannot be shown: {error}</p>;
    return (
        <div class="log">
            {log?.cut && <p class="quiet">The last {SHOWN >> 10} KiB.</p>}
            <pre tabIndex={0} aria-label={`Log ${name}`}>
                {log ? log.text || '(empty)' : ' '}
            </pre>
            <button type="button" class="file" onClick={() => save(run, name)}>
                Save the whole log
            </button>
        </div>
    );
}
