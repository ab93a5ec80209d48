import { useState } from 'preact/hooks';
import { whyNot, withQuery } from '../api.js';
import { useLoad } from '../live.js';
import { Act, Card, Empty, Page, RunLink, Table, Time, Trouble, Waiting } from '../parts/basics.jsx';
import { Pager } from '../parts/pager.jsx';
import { RetryDialog } from '../parts/retry.jsx';
import { to } from '../route.js';

export function Dead({ me, query }) {
    const path = withQuery('/api/dead', { org: query.org, cursor: query.cursor, limit: 50 });
    const { data, error, busy, reload } = useLoad(
        path,
        query.cursor ? {} : { every: 10_000, on: (e) => e.type === 'run.failed' },
    );
    const [retrying, setRetrying] = useState(null);
    const columns = [
        { name: 'Run', cell: (d) => <RunLink id={d.run} row /> },
        me.operator && { name: 'Organisation', cell: (d) => d.org ?? '–' },
        {
            name: 'Error',
            cell: (d) => (
                <a href={to('runs', { status: 'failed', error: d.code })}>
                    <code>{d.code}</code>
                </a>
            ),
        },
        { name: 'Step', cell: (d) => <code>{d.step ?? '–'}</code> },
        {
            name: 'Message',
            class: 'wide',
            cell: (d) => (
                <span class="clip two" title={d.message}>
                    {d.message}
                </span>
            ),
        },
        { name: 'Given up', cell: (d) => <Time at={d.at} /> },
        {
            name: '',
            class: 'acts',
            cell: (d) => (
                <Act why={whyNot(me)} onClick={() => setRetrying(d.run)}>
                    Retry
                </Act>
            ),
        },
    ].filter(Boolean);
    const bulk = (
        <a class="button" href={to('bulk', { of: 'dead', org: query.org })}>
            Retry many…
        </a>
    );
    return (
        <Page title="Dead letters" lead="Runs that were given up on and have not been retried since" side={bulk}>
            <Card class={busy ? 'busy' : ''}>
                <Trouble error={error} retry={reload} />
                {data ? (
                    <Table
                        label="Dead letters"
                        columns={columns}
                        rows={data.dead}
                        id={(d) => d.run}
                        empty={<Empty title="No dead letters">Nothing was given up on.</Empty>}
                    />
                ) : (
                    !error && <Waiting />
                )}
                {data && <Pager page="dead" query={query} next={data.nextCursor} />}
            </Card>
            {retrying && <RetryDialog run={retrying} onClose={() => setRetrying(null)} onDone={reload} />}
        </Page>
    );
}
