import { withQuery } from '../api.js';
import { useLoad } from '../live.js';
import { Card, Empty, Page, Trouble, Waiting } from '../parts/basics.jsx';
import { Pager } from '../parts/pager.jsx';
import { RunTable } from '../parts/run_table.jsx';
import { go, to } from '../route.js';

const STATUSES = ['queued', 'running', 'blocked', 'ready', 'complete', 'failed', 'canceled', 'expired'];
const FILTERS = ['q', 'status', 'error', 'projectId', 'sourceRunId', 'org'];

const only = (query) => Object.fromEntries(FILTERS.filter((name) => query[name]).map((name) => [name, query[name]]));

export function Runs({ me, query }) {
    const filters = only(query);
    const path = withQuery('/api/runs', { ...filters, cursor: query.cursor, limit: 50 });
    // Only the newest page moves: who reads an older one is left in peace.
    const { data, error, busy, reload } = useLoad(
        path,
        query.cursor ? {} : { every: 10_000, on: (e) => e.type.startsWith('run.') },
    );
    const empty = Object.keys(filters).length ? (
        <Empty title="No run is like this">
            Take a filter away, or look at <a href={to('runs')}>all runs</a>.
        </Empty>
    ) : undefined;
    return (
        <Page title="Runs">
            <Filters key={JSON.stringify(filters)} filters={filters} me={me} />
            <Card class={busy ? 'busy' : ''}>
                <Trouble error={error} retry={reload} />
                {error && query.cursor && (
                    <p>
                        <a href={to('runs', filters)}>To the newest</a>
                    </p>
                )}
                {data ? <RunTable runs={data.runs} me={me} empty={empty} /> : !error && <Waiting />}
                {data && <Pager page="runs" query={{ ...filters, cursor: query.cursor }} next={data.nextCursor} />}
            </Card>
        </Page>
    );
}

function Filters({ filters, me }) {
    const show = (event) => {
        event.preventDefault();
        go(to('runs', Object.fromEntries(new FormData(event.currentTarget).entries())));
    };
    const text = (name, label, placeholder) => (
        <label class="field">
            {label}
            <input
                name={name}
                defaultValue={filters[name] ?? ''}
                placeholder={placeholder}
                spellcheck={false}
                autoComplete="off"
            />
        </label>
    );
    return (
        <form class="filters" onSubmit={show} aria-label="Filters">
            {text('q', 'Run or project', 'run id, project name')}
            <label class="field">
                Status
                <select name="status" defaultValue={filters.status ?? ''} onChange={(e) => e.currentTarget.form.requestSubmit()}>
                    <option value="">any</option>
                    {STATUSES.map((s) => (
                        <option key={s} value={s} selected={filters.status === s}>
                            {s}
                        </option>
                    ))}
                </select>
            </label>
            {text('error', 'Error code', 'step_failed')}
            {text('projectId', 'Project id', 'prj_…')}
            {text('sourceRunId', 'Retries of', 'run_…')}
            {me.operator && text('org', 'Organisation', 'any')}
            <div class="buttons">
                <button type="submit" class="main">
                    Show
                </button>
                {Object.keys(filters).length > 0 && (
                    <a class="button" href={to('runs')}>
                        Clear
                    </a>
                )}
            </div>
        </form>
    );
}
