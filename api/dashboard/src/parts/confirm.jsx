// Asks for a reason, does something, and says how it went. What was refused stays in the dialog.
import { useRef, useState } from 'preact/hooks';
import { Dialog, say } from './basics.jsx';

const LONGEST_REASON = 1000; // of the API

// act(reason) does it and answers what to say.
export function Confirm({ title, button, kind = 'main', children, act, onClose }) {
    const [reason, setReason] = useState('');
    const [error, setError] = useState('');
    const [busy, setBusy] = useState(false);
    const doing = useRef(false); // a second click comes before the button is drawn disabled
    const submit = async (event) => {
        event.preventDefault();
        if (doing.current) return;
        doing.current = true;
        setBusy(true);
        try {
            say(await act(reason.trim() || undefined));
            onClose();
        } catch (refused) {
            setError(refused.message);
            setBusy(false);
            doing.current = false;
        }
    };
    return (
        <Dialog title={title} onClose={onClose}>
            <form onSubmit={submit}>
                {children}
                <label class="field">
                    Reason <small>optional; kept with the run and in the audit</small>
                    <textarea
                        name="reason"
                        rows="3"
                        maxLength={LONGEST_REASON}
                        autoFocus
                        value={reason}
                        onInput={(e) => setReason(e.currentTarget.value)}
                    />
                </label>
                {error && (
                    <p class="trouble" role="alert">
                        {error}
                    </p>
                )}
                <div class="buttons">
                    <button type="button" onClick={onClose}>
                        Back
                    </button>
                    <button type="submit" class={kind} disabled={busy}>
                        {button}
                    </button>
                </div>
            </form>
        </Dialog>
    );
}
