import { number } from '../format.js';
import { useLoad } from '../live.js';
import { Card, Empty, Gauge, Page, RunLink, Table, Time, Trouble, Waiting } from '../parts/basics.jsx';
import { to } from '../route.js';

export function Failures({ me }) {
    const { data, error, reload } = useLoad('/api/failures', { every: 15_000, on: (e) => e.type === 'run.failed' });
    const most = Math.max(1, ...(data?.groups ?? []).map((g) => g.count));
    const columns = [
        { name: 'Step', cell: (g) => <code>{g.step || '–'}</code> },
        {
            name: 'Error',
            cell: (g) => (
                <a data-row href={to('runs', { status: 'failed', error: g.code })}>
                    <code>{g.code}</code>
                </a>
            ),
        },
        {
            name: 'Runs',
            class: 'number',
            cell: (g) => (
                <span class="bar-cell">
                    <Gauge class="bad" value={g.count} max={most} />
                    {number(g.count)}
                </span>
            ),
        },
        { name: 'Last', cell: (g) => <Time at={g.lastAt} /> },
        { name: 'Last run', cell: (g) => <RunLink id={g.lastRun} /> },
        {
            name: '',
            class: 'acts',
            cell: (g) => (
                <a class="button" href={to('bulk', { of: 'failed', step: g.step, code: g.code })}>
                    Retry these…
                </a>
            ),
        },
    ];
    return (
        <Page title="Failures" lead={data ? `By step and code, over the last ${data.days} days` : 'By step and code'}>
            <Card>
                <Trouble error={error} retry={reload} />
                {data ? (
                    <Table
                        label="Failures"
                        columns={columns}
                        rows={data.groups}
                        id={(g) => `${g.step} ${g.code}`}
                        empty={<Empty title="Nothing has failed">{me.operator ? 'In any organisation.' : 'Of your runs.'}</Empty>}
                    />
                ) : (
                    !error && <Waiting />
                )}
            </Card>
        </Page>
    );
}
