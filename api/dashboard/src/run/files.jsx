// What went in, what came out, and which retries a run stands between.
import { withQuery } from '../api.js';
import { bytes, fullTime } from '../format.js';
import { useLoad } from '../live.js';
import { Card, Copy, Empty, RunLink, Status, Table, Time } from '../parts/basics.jsx';
import { to } from '../route.js';
import { save } from './log.jsx';

const INPUTS = ['openapi', 'config', 'oldSdk'];

const Digest = ({ of }) => (
    <span class="digest">
        <code title={of}>{of?.slice(0, 12)}…</code>
        {of && <Copy text={of} />}
    </span>
);

// `retained`: what the preflight of a retry says of the inputs.
export function Inputs({ run, retained }) {
    const rows = INPUTS.filter((name) => run.inputSummary?.[name]).map((name) => ({
        name,
        ...run.inputSummary[name],
        ...retained.get(name),
    }));
    const document = run.inputSummary?.document;
    const kept = (input) =>
        input.retained === undefined ? (
            '–'
        ) : input.retained ? (
            <span title={input.retainedUntil && fullTime(input.retainedUntil)}>
                yes
                {input.retainedUntil && (
                    <>
                        , for <Time at={input.retainedUntil} />
                    </>
                )}
            </span>
        ) : (
            <span class="bad">no longer</span>
        );
    return (
        <Card title="Inputs">
            {document && (
                <p class="document">
                    <strong>{document.title}</strong> {document.version}{' '}
                    <span class="quiet">{document.operations !== undefined && `${document.operations} operations`}</span>
                </p>
            )}
            <Table
                label="Inputs"
                rows={rows}
                id={(i) => i.name}
                empty={<Empty title="No inputs" />}
                columns={[
                    {
                        name: 'Input',
                        cell: (i) => (
                            <button
                                type="button"
                                class="file"
                                disabled={i.retained === false}
                                onClick={() => save(run.id, `input.${i.name}`)}>
                                {i.fileName || i.name}
                            </button>
                        ),
                    },
                    { name: 'As', cell: (i) => i.name },
                    { name: 'Size', class: 'number', cell: (i) => bytes(i.bytes) },
                    { name: 'SHA-256', class: 'long', cell: (i) => <Digest of={i.sha256} /> },
                    { name: 'Retained', cell: kept },
                ]}
            />
        </Card>
    );
}

export function Artifacts({ run }) {
    const manifest = run.artifactManifest ?? {};
    const rows = (manifest.artifacts ?? []).filter((a) => !a.key.startsWith('input.') && !a.key.startsWith('logs/'));
    return (
        <Card
            title="Artifacts"
            side={manifest.expiresAt && rows.length > 0 && <span class="quiet">kept until {fullTime(manifest.expiresAt)}</span>}>
            <Table
                label="Artifacts"
                rows={rows}
                id={(a) => a.key}
                empty={<Empty title="No artifacts">{run.completedAt ? 'The run left none.' : 'None so far.'}</Empty>}
                columns={[
                    {
                        name: 'File',
                        class: 'wide',
                        cell: (a) => (
                            <button
                                type="button"
                                class="file"
                                disabled={run.status === 'expired'}
                                onClick={() => save(run.id, a.key)}>
                                {a.key}
                            </button>
                        ),
                    },
                    { name: 'Type', cell: (a) => <span class="quiet clip">{a.contentType}</span> },
                    { name: 'Size', class: 'number', cell: (a) => bytes(a.bytes) },
                    { name: 'SHA-256', class: 'long', cell: (a) => <Digest of={a.sha256} /> },
                ]}
            />
        </Card>
    );
}

export function Lineage({ run, me }) {
    const lineage = run.inputSummary?.lineage;
    const { data } = useLoad(
        withQuery('/api/runs', { sourceRunId: run.id, org: me.operator ? run.orgId : undefined, limit: 20 }),
        {
            every: 10_000,
            on: (event) => event.type === 'run.queued',
        },
    );
    const retries = data?.runs ?? [];
    if (!lineage && retries.length === 0) return null;
    return (
        <Card title="Lineage">
            <ol class="lineage">
                {lineage && lineage.rootRun !== lineage.retryOf && (
                    <li>
                        <RunLink id={lineage.rootRun} /> <span class="quiet">where it began</span>
                    </li>
                )}
                {lineage && (
                    <li>
                        <RunLink id={lineage.retryOf} /> <span class="quiet">was retried</span>
                    </li>
                )}
                <li aria-current="true">
                    <strong class="id">this run</strong>{' '}
                    {lineage && (
                        <span>
                            retry {lineage.retryNumber}
                            {lineage.reason && (
                                <>
                                    : <q class="said">{lineage.reason}</q>
                                </>
                            )}
                        </span>
                    )}
                </li>
                {retries.map((r) => (
                    <li key={r.id} class="below">
                        <RunLink id={r.id} /> <Status of={r.status} />{' '}
                        <span class="quiet">
                            <Time at={r.createdAt} />
                        </span>
                        {r.inputSummary?.lineage?.reason && <q class="said">{r.inputSummary.lineage.reason}</q>}
                    </li>
                ))}
                {data?.nextCursor && (
                    <li class="below">
                        <a href={to('runs', { sourceRunId: run.id })}>More retries</a>
                    </li>
                )}
            </ol>
        </Card>
    );
}
