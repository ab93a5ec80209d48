import { useState } from 'preact/hooks';
import { get, storeKey } from '../api.js';

export function SignIn({ message, onSignedIn }) {
    const [key, setKey] = useState('');
    const [error, setError] = useState(message);
    const [busy, setBusy] = useState(false);
    const submit = async (event) => {
        event.preventDefault();
        setBusy(true);
        storeKey(key.trim());
        try {
            onSignedIn(await get('/api/me'));
        } catch (refused) {
            storeKey('');
            setError(refused.status === 401 ? 'This key is wrong, expired or revoked.' : refused.message);
            setBusy(false);
        }
    };
    return (
        <main class="sign-in" id="main">
            <form onSubmit={submit} class="card">
                <h1>
                    <span class="logo" aria-hidden="true">
                        R
                    </span>{' '}
                    Reprise
                </h1>
                <label class="field">
                    API key
                    <input
                        name="key"
                        type="password"
                        autoFocus
                        required
                        autoComplete="off"
                        spellcheck={false}
                        placeholder="rp_…"
                        value={key}
                        onInput={(e) => setKey(e.currentTarget.value)}
                    />
                </label>
                {error && (
                    <p class="trouble" role="alert">
                        {error}
                    </p>
                )}
                <button type="submit" class="main" disabled={busy}>
                    Sign in
                </button>
                <p class="quiet">
                    The key stays in this tab and is forgotten when it closes. <code>reprise-api keys create</code> makes one: an
                    organisation's shows its own runs, an operator's shows all.
                </p>
            </form>
        </main>
    );
}
