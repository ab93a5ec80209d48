// Runs, a line each.
import { duration } from '../format.js';
import { useNow } from '../live.js';
import { Empty, RunLink, Status, Table, Time } from './basics.jsx';

const failedStep = (run) => (run.steps ?? []).findLast((step) => step.error);

function What({ run }) {
    const title = run.inputSummary?.document?.title ?? run.inputSummary?.openapi?.fileName;
    const lineage = run.inputSummary?.lineage;
    const error = run.status === 'failed' ? failedStep(run) : null;
    return (
        <div class="what">
            <span class="clip" title={title}>
                {title ?? <span class="quiet">untitled</span>}
            </span>
            {lineage && (
                <small class="quiet clip">
                    retry {lineage.retryNumber}
                    {lineage.reason ? `: ${lineage.reason}` : ''}
                </small>
            )}
            {error && (
                <small class="bad clip" title={error.error.message}>
                    {error.name}: {error.error.code}
                </small>
            )}
            {!error && run.currentStep && run.status === 'running' && <small class="quiet clip">{run.currentStep}</small>}
        </div>
    );
}

function Took({ run }) {
    const now = useNow(1000);
    const end = run.completedAt ? new Date(run.completedAt) : now;
    return <span class={run.completedAt ? '' : 'quiet'}>{duration(end - new Date(run.createdAt))}</span>;
}

export function RunTable({ runs, me, empty }) {
    const columns = [
        { name: 'Run', cell: (run) => <RunLink id={run.id} row /> },
        { name: 'Status', cell: (run) => <Status of={run.status} /> },
        { name: 'Document', class: 'wide', cell: (run) => <What run={run} /> },
        me.operator && { name: 'Organisation', cell: (run) => <span class="clip">{run.orgId}</span> },
        { name: 'Mode', cell: (run) => run.mode },
        { name: 'Started', cell: (run) => <Time at={run.createdAt} /> },
        { name: 'Took', class: 'number', cell: (run) => <Took run={run} /> },
    ].filter(Boolean);
    return (
        <Table
            label="Runs"
            columns={columns}
            rows={runs}
            id={(run) => run.id}
            empty={empty ?? <Empty title="No runs yet">POST /api/reports/start makes one.</Empty>}
        />
    );
}
