// Retrying a run, from wherever one sees it.
import { useMemo } from 'preact/hooks';
import { post, randomKey } from '../api.js';
import { go, to } from '../route.js';
import { Confirm } from './confirm.jsx';

export function RetryDialog({ run, onClose, onDone }) {
    // One key for the dialog: however often it is sent, one run comes of it.
    const key = useMemo(randomKey, [run]);
    const retry = async (reason) => {
        const made = await post(
            `/api/runs/${encodeURIComponent(run)}/retry`,
            { reason },
            { headers: { 'Idempotency-Key': key } },
        );
        onDone?.();
        go(to(`runs/${made.run.id}`));
        return `Retried as ${made.run.id}.`;
    };
    return (
        <Confirm title="Retry this run" button="Retry" act={retry} onClose={onClose}>
            <p>
                A new run is made from the inputs that <code>{run}</code> retained. The run itself stays as it is.
            </p>
        </Confirm>
    );
}
