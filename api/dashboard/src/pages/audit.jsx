import { withQuery } from '../api.js';
import { useLoad } from '../live.js';
import { Card, Empty, Page, Table, Time, Trouble, Waiting } from '../parts/basics.jsx';
import { Pager } from '../parts/pager.jsx';
import { to } from '../route.js';

const RUN = /^run_[0-9a-z]+$/;

export function Audit({ query }) {
    const { data, error, busy, reload } = useLoad(
        withQuery('/api/audit', { limit: 50, cursor: query.cursor }),
        query.cursor ? {} : { every: 10_000 },
    );
    const columns = [
        { name: 'When', cell: (a) => <Time at={a.at} /> },
        { name: 'Who', cell: (a) => <code>{a.by}</code> },
        { name: 'Did', cell: (a) => a.act },
        {
            name: 'To',
            cell: (a) =>
                RUN.test(a.object) ? (
                    <a class="id" data-row href={to(`runs/${a.object}`)}>
                        {a.object}
                    </a>
                ) : (
                    <code>{a.object}</code>
                ),
        },
        { name: 'Why', class: 'wide', cell: (a) => a.cause ?? <span class="quiet">–</span> },
    ];
    return (
        <Page title="Audit" lead="Who did what, and why">
            <Card class={busy ? 'busy' : ''}>
                <Trouble error={error} retry={reload} />
                {data ? (
                    <Table
                        label="Acts"
                        columns={columns}
                        rows={data.acts}
                        id={(a) => `${a.at} ${a.by} ${a.act} ${a.object}`}
                        empty={<Empty title="Nobody has done anything yet" />}
                    />
                ) : (
                    !error && <Waiting />
                )}
                {data && <Pager page="audit" query={query} next={data.nextCursor} />}
            </Card>
        </Page>
    );
}
