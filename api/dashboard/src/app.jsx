// The page: who is signed in, where one is, and what is around every page.
import './style/base.css';
import './style/parts.css';
import './style/run.css';
import { render } from 'preact';
import { useCallback, useEffect, useState } from 'preact/hooks';
import { get, onSignedOut, storedKey, storeKey } from './api.js';
import { PAGES, useKeyboard } from './keyboard.js';
import { feedState, live, useFeedConnection, useValue } from './live.js';
import { Audit } from './pages/audit.jsx';
import { Bulk } from './pages/bulk.jsx';
import { Dead } from './pages/dead.jsx';
import { Failures } from './pages/failures.jsx';
import { Overview } from './pages/overview.jsx';
import { Queue } from './pages/queue.jsx';
import { Runs } from './pages/runs.jsx';
import { SignIn } from './pages/sign_in.jsx';
import { Workers } from './pages/workers.jsx';
import { Dialog, Empty, Notices, Page } from './parts/basics.jsx';
import { Icon } from './parts/icon.jsx';
import { go, to, useRoute } from './route.js';
import { Run } from './run/run.jsx';
import { nextTheme, theme } from './theme.js';

const VIEWS = {
    // of whatever stands in an address
    __proto__: null,
    overview: Overview,
    runs: Runs,
    failures: Failures,
    dead: Dead,
    bulk: Bulk,
    workers: Workers,
    queue: Queue,
    audit: Audit,
};
const FOR_OPERATORS = new Set(['workers', 'queue', 'audit']);
const RUN_ID = /^run_[0-9a-z]{28}$/;

function Search() {
    const submit = (event) => {
        event.preventDefault();
        const box = event.currentTarget.elements.search;
        const text = box.value.trim();
        if (!text) return;
        go(RUN_ID.test(text) ? to(`runs/${text}`) : to('runs', { q: text }));
        box.blur();
    };
    return (
        <form role="search" onSubmit={submit}>
            <input
                id="search"
                name="search"
                type="search"
                placeholder="Run id, project  ( / )"
                aria-label="Find a run or a project"
                spellcheck={false}
            />
        </form>
    );
}

function LiveButton() {
    const isLive = useValue(live);
    const state = useValue(feedState);
    const text = !isLive ? 'Paused' : state === 'waiting' ? 'Connecting' : 'Live';
    return (
        <button
            type="button"
            class={`live is-${text.toLowerCase()}`}
            aria-pressed={!isLive}
            onClick={() => live.set(!isLive)}
            title={isLive ? 'Pause updates (p)' : 'Go on (p)'}>
            <span class="dot" aria-hidden="true" />
            {text}
        </button>
    );
}

function ThemeButton() {
    const now = useValue(theme);
    const sign = { auto: 'half', light: 'sun', dark: 'moon' }[now];
    return (
        <button type="button" class="plain" onClick={nextTheme} aria-label={`Colours: ${now}`} title={`Colours: ${now}`}>
            <Icon of={sign} />
        </button>
    );
}

function Help({ onClose }) {
    const keys = [
        ['/', 'Search'],
        ...PAGES.map(([key, , name]) => [`g ${key}`, name]),
        ['j  k', 'Along a list'],
        ['p', 'Pause updates'],
        ['?', 'This'],
    ];
    return (
        <Dialog title="Keys" onClose={onClose}>
            <dl class="keys">
                {keys.map(([key, what]) => (
                    <div key={key}>
                        <dt>
                            <kbd>{key}</kbd>
                        </dt>
                        <dd>{what}</dd>
                    </div>
                ))}
            </dl>
            <div class="buttons">
                <button type="button" class="main" onClick={onClose}>
                    Close
                </button>
            </div>
        </Dialog>
    );
}

function Frame({ me, signOut }) {
    const route = useRoute();
    const [help, setHelp] = useState(false);
    const openHelp = useCallback(() => setHelp(true), []);
    useKeyboard(openHelp);
    useFeedConnection();
    const pages = PAGES.filter(([, page]) => me.operator || !FOR_OPERATORS.has(page));
    const isRun = route.page === 'runs' && route.id;
    const View = VIEWS[route.page];
    useEffect(() => {
        // whoever does not see the page is taken to its beginning
        scrollTo(0, 0);
        document.querySelector('main h1')?.focus({ preventScroll: true });
    }, [route.page, route.id]);
    const skip = (event) => {
        // the address is ours to route by
        event.preventDefault();
        document.querySelector('#main').focus();
    };
    return (
        <>
            <a class="skip" href="#main" onClick={skip}>
                To the content
            </a>
            <header class="top">
                <a class="brand" href={to('overview')}>
                    <span class="logo" aria-hidden="true">
                        R
                    </span>
                    Reprise
                </a>
                <nav aria-label="Pages">
                    {pages.map(([key, page, name]) => (
                        <a key={page} href={to(page)} aria-current={route.page === page ? 'page' : undefined} title={`g ${key}`}>
                            {name}
                        </a>
                    ))}
                </nav>
                <Search />
                <div class="tools">
                    <LiveButton />
                    <ThemeButton />
                    <button type="button" class="plain" onClick={openHelp} aria-label="Keys" title="Keys (?)">
                        ?
                    </button>
                    <span class="who" title={me.scopes.join(', ')}>
                        {me.operator ? 'operator' : me.org}
                    </span>
                    <button type="button" class="plain" onClick={signOut}>
                        Sign out
                    </button>
                </div>
            </header>
            <main id="main" tabIndex={-1}>
                {isRun ? (
                    <Run key={route.id} id={route.id} me={me} />
                ) : View ? (
                    <View me={me} query={route.query} />
                ) : (
                    <Page title="Nothing here">
                        <Empty title="There is no such page">
                            <a href={to('overview')}>To the overview</a>
                        </Empty>
                    </Page>
                )}
            </main>
            <Notices />
            {help && <Help onClose={() => setHelp(false)} />}
        </>
    );
}

function App() {
    const [me, setMe] = useState(null);
    const [message, setMessage] = useState('');
    const [checking, setChecking] = useState(Boolean(storedKey()));
    const signOut = useCallback((why) => {
        storeKey('');
        setMe(null);
        setMessage(typeof why === 'string' ? why : '');
    }, []);
    useEffect(() => onSignedOut(signOut), [signOut]);
    useEffect(() => {
        if (storedKey())
            get('/api/me')
                .then(setMe, (refused) => setMessage(refused.message))
                .finally(() => setChecking(false));
    }, []);
    if (checking) return null;
    return me ? <Frame me={me} signOut={signOut} /> : <SignIn key={message} message={message} onSignedIn={setMe} />;
}

render(<App />, document.querySelector('#app'));
