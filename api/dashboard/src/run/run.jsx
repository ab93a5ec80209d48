// One run: everything about it on one page, live.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { get, mayAct, post, whyNot } from '../api.js';
import { duration } from '../format.js';
import { live, useLoad, useNow, useValue } from '../live.js';
import { Act, Card, Copy, Facts, Page, Status, Time, Trouble, Waiting } from '../parts/basics.jsx';
import { Confirm } from '../parts/confirm.jsx';
import { RetryDialog } from '../parts/retry.jsx';
import { to } from '../route.js';
import { watch } from '../stream.js';
import { Artifacts, Inputs, Lineage } from './files.jsx';
import { isEnded, merged } from './model.js';
import { Events, Timeline } from './timeline.jsx';

const SETTLES = 150; // events of one moment make one load

// What happened to the run, as it happens; with who and why, where the server tells that.
function useEvents(path, changed) {
    const [events, setEvents] = useState([]);
    const isLive = useValue(live);
    const told = useRef(changed);
    told.current = changed;
    const withWho = useCallback(
        () =>
            get(`${path}/history`).then(
                (h) => setEvents((before) => merged(before, h.events)),
                () => {},
            ),
        [path],
    );
    useEffect(() => {
        withWho();
        if (!isLive) return undefined;
        let timer = 0;
        const stop = watch(
            `${path}/events`,
            ({ data }) => {
                setEvents((before) => merged(before, [data]));
                clearTimeout(timer);
                timer = setTimeout(() => {
                    told.current();
                    withWho();
                }, SETTLES);
            },
            () => {},
        );
        return () => {
            clearTimeout(timer);
            stop();
        };
    }, [path, isLive, withWho]);
    return events;
}

export function Run({ id, me }) {
    const path = `/api/runs/${encodeURIComponent(id)}`;
    const { data: found, error, reload } = useLoad(path, { every: 15_000 }); // its events come sooner
    const run = found?.run ?? found;
    const events = useEvents(path, reload);
    const { data: preflight, reload: look } = useLoad(run ? `${path}/retry` : null, { every: 30_000 });
    const status = run?.status;
    useEffect(() => {
        if (status) look();
    }, [status, look]);
    if (!run) return <Page title="Run">{error ? <Trouble error={error} retry={reload} /> : <Waiting />}</Page>;
    const retained = new Map((preflight?.inputs ?? []).map((input) => [input.name, input]));
    const document = run.inputSummary?.document?.title ?? run.inputSummary?.openapi?.fileName ?? 'Run';
    return (
        <Page
            title={document}
            side={<Acts run={run} me={me} preflight={preflight} onChange={reload} />}
            lead={
                <>
                    <Status of={run.status} /> <code class="id">{run.id}</code>
                    <Copy text={run.id} />
                </>
            }>
            <Trouble error={error} retry={reload} />
            <Why run={run} path={path} />
            <Summary run={run} />
            <Timeline run={run} events={events} />
            <div class="two-columns">
                <div>
                    <Inputs run={run} retained={retained} />
                    <Artifacts run={run} />
                </div>
                <div>
                    <Lineage run={run} me={me} />
                    <Events events={events} />
                </div>
            </div>
        </Page>
    );
}

function Summary({ run }) {
    const ended = isEnded(run.status);
    const now = useNow(ended ? 60_000 : 1000);
    const quality = run.artifactManifest?.quality;
    return (
        <Card>
            <Facts
                rows={[
                    [
                        'Project',
                        <a href={to('runs', { projectId: run.projectId })}>
                            <code>{run.projectId}</code>
                        </a>,
                    ],
                    ['Organisation', run.orgId],
                    ['By', run.createdByUserId],
                    ['Mode', run.mode],
                    ['Verdict', run.verdict?.replace('_', ' ')],
                    ['Accepted', <Time at={run.createdAt} />],
                    [
                        ended ? 'Took' : 'So far',
                        duration((run.completedAt ? new Date(run.completedAt) : now) - new Date(run.createdAt)),
                    ],
                    ['Step', !ended && run.currentStep],
                    ['Lint', quality?.errors !== undefined && `${quality.errors} errors, ${quality.warnings} warnings`],
                    ['Notes', run.notes && <span class="said">{run.notes}</span>],
                ]}
            />
        </Card>
    );
}

// The one thing that a waiting run waits for.
function Why({ run, path }) {
    const waits = run.status === 'queued' || run.status === 'blocked';
    const { data } = useLoad(waits ? `${path}/explain` : null, { every: 3000 });
    if (!waits || !data?.message) return null;
    return (
        <div class="explain" role="status">
            <strong>Why it waits</strong>
            <span>
                {data.message} {data.freedBy && <span class="quiet">{data.freedBy}</span>}
            </span>
            <code>{data.reason}</code>
        </div>
    );
}

// --- what one can do to it ---

function Acts({ run, me, preflight, onChange }) {
    const [asked, setAsked] = useState('');
    const close = () => setAsked('');
    const cannot = whyNot(me);
    const noRetry = cannot || (preflight ? (preflight.retryable ? '' : preflight.message) : 'Looking…');
    const noCancel = cannot || (isEnded(run.status) ? 'The run has ended already.' : '');
    const cancel = async (reason) => {
        await post(`/api/runs/${encodeURIComponent(run.id)}/cancel`, { reason });
        onChange();
        return 'Canceled.';
    };
    return (
        <div class="run-acts">
            <Act kind="main" why={noRetry} onClick={() => setAsked('retry')}>
                Retry
            </Act>
            {(mayAct(me) || !isEnded(run.status)) && (
                <Act kind="bad" why={noCancel} onClick={() => setAsked('cancel')}>
                    Cancel
                </Act>
            )}
            {asked === 'retry' && <RetryDialog run={run.id} onClose={close} />}
            {asked === 'cancel' && (
                <Confirm title="Cancel this run" button="Cancel the run" kind="bad" act={cancel} onClose={close}>
                    <p>It ends now, and what it is at is killed. It can be retried later.</p>
                </Confirm>
            )}
        </div>
    );
}
