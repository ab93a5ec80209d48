// The small things that pages are made of. All text goes into text nodes: there is no markup made of strings anywhere.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { ago, fullTime, shortId } from '../format.js';
import { makeValue, useNow, useValue } from '../live.js';
import { to } from '../route.js';
import { Icon } from './icon.jsx';

const MARKS = {
    queued: 'ring',
    running: 'half',
    blocked: 'bars',
    ready: 'check',
    complete: 'check',
    failed: 'cross',
    canceled: 'slash',
    expired: 'dashed',
    pending: 'dot',
    completed: 'check',
    retrying: 'again',
    interrupted: 'slash',
    quiet: 'bars',
    draining: 'again',
    stopped: 'slash',
    lost: 'cross',
    done: 'check',
    canary: 'half',
    canary_failed: 'cross',
};

export function Status({ of, text }) {
    return (
        <span class={`status is-${of}`}>
            <Icon of={MARKS[of] ?? 'dot'} />
            {text ?? of.replace('_', ' ')}
        </span>
    );
}

export function Time({ at }) {
    const now = useNow();
    if (!at) return <span class="quiet">–</span>;
    return (
        <time dateTime={new Date(at).toISOString()} title={fullTime(at)}>
            {ago(at, now)}
        </time>
    );
}

export function RunLink({ id, row }) {
    return (
        <a class="id" href={to(`runs/${id}`)} title={id} data-row={row ? '' : undefined}>
            {shortId(id)}
        </a>
    );
}

export function Page({ title, side, children, lead }) {
    useEffect(() => {
        document.title = `${title} · Reprise`;
    }, [title]);
    return (
        <>
            <header class="page-head">
                <div>
                    <h1 tabIndex={-1}>{title}</h1>
                    {lead && <p class="lead">{lead}</p>}
                </div>
                {side && <div class="side">{side}</div>}
            </header>
            {children}
        </>
    );
}

export function Card({ title, side, children, ...more }) {
    return (
        <section class={`card ${more.class ?? ''}`} aria-label={typeof title === 'string' ? title : undefined}>
            {title && (
                <header>
                    <h2>{title}</h2>
                    {side && <div class="side">{side}</div>}
                </header>
            )}
            {children}
        </section>
    );
}

export function Facts({ rows }) {
    return (
        <dl class="facts">
            {rows
                .filter(([, value]) => value !== undefined && value !== '' && value !== null && value !== false)
                .map(([name, value]) => (
                    <div key={name}>
                        <dt>{name}</dt>
                        <dd>{value}</dd>
                    </div>
                ))}
        </dl>
    );
}

export function Figure({ name, value, note, href, of }) {
    const inside = (
        <>
            <span class="figure-name">{of ? <Status of={of} text={name} /> : name}</span>
            <strong>{value}</strong>
            {note && <small>{note}</small>}
        </>
    );
    return href ? (
        <a class="figure" href={href}>
            {inside}
        </a>
    ) : (
        <div class="figure">{inside}</div>
    );
}

export const Gauge = ({ value, max, class: more = '' }) => (
    <span class={`gauge ${more}`} aria-hidden="true">
        <i style={{ width: `${Math.min(100, (100 * value) / Math.max(max, 1))}%` }} />
    </span>
);

// What a page says when it could not load, or has nothing to show.
export function Trouble({ error, retry }) {
    if (!error) return null;
    const said =
        error.status === 403
            ? `This key may not see this: ${error.message}.`
            : error.code === 'not_found'
              ? 'This server does not offer this.'
              : error.message;
    return (
        <div class="trouble" role="alert">
            <span>{said}</span>
            {retry && error.status !== 403 && (
                <button type="button" onClick={retry}>
                    Try again
                </button>
            )}
        </div>
    );
}

export const Empty = ({ title, children }) => (
    <div class="empty">
        <strong>{title}</strong>
        {children && <p>{children}</p>}
    </div>
);

export const Waiting = () => (
    <div class="waiting" role="status">
        Loading…
    </div>
);

// columns: {name, cell(row), class?}. On a narrow screen each row becomes a card of its own, hence the labels and the roles.
export function Table({ label, columns, rows, id, empty }) {
    if (rows.length === 0) return empty;
    return (
        <div class="table-box">
            <table role="table" aria-label={label}>
                <thead role="rowgroup">
                    <tr role="row">
                        {columns.map((c) => (
                            <th key={c.name} scope="col" role="columnheader" class={c.class}>
                                {c.name}
                            </th>
                        ))}
                    </tr>
                </thead>
                <tbody role="rowgroup">
                    {rows.map((row) => (
                        <tr key={id(row)} role="row">
                            {columns.map((c) => (
                                <td key={c.name} role="cell" class={c.class} data-label={c.name}>
                                    {c.cell(row)}
                                </td>
                            ))}
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}

// A button that says why it cannot be pressed.
export function Act({ children, why, onClick, kind = '', busy }) {
    return (
        <span class="act">
            <button type="button" class={kind} disabled={Boolean(why) || busy} onClick={onClick}>
                {children}
            </button>
            {why && <small class="why">{why}</small>}
        </span>
    );
}

export function Copy({ text }) {
    const [done, setDone] = useState(false);
    useEffect(() => {
        if (!done) return undefined;
        const timer = setTimeout(() => setDone(false), 1500);
        return () => clearTimeout(timer);
    }, [done]);
    if (!navigator.clipboard) return null; // not for pages that came by plain HTTP
    return (
        <button
            type="button"
            class="plain"
            aria-label="Copy"
            title="Copy"
            onClick={() =>
                navigator.clipboard.writeText(text).then(
                    () => setDone(true),
                    () => {},
                )
            }>
            <Icon of={done ? 'tick' : 'copy'} />
        </button>
    );
}

// --- said aloud and in the corner ---

const notice = makeValue(null);
export const say = (text, kind = 'good') => notice.set({ text, kind });

export function Notices() {
    const said = useValue(notice);
    useEffect(() => {
        if (!said) return undefined;
        const timer = setTimeout(() => notice.set(null), 8000);
        return () => clearTimeout(timer);
    }, [said]);
    return (
        <div class="notices" role="status" aria-live="polite">
            {said && (
                <div class={`notice is-${said.kind}`}>
                    <span>{said.text}</span>
                    <button type="button" class="plain" aria-label="Dismiss" onClick={() => notice.set(null)}>
                        <Icon of="close" />
                    </button>
                </div>
            )}
        </div>
    );
}

// A dialog of the browser's own: it keeps the focus inside and closes by Escape.
export function Dialog({ title, onClose, children }) {
    const box = useRef(null);
    useLayoutEffect(() => {
        // before anybody can type
        const before = document.activeElement;
        box.current.showModal();
        return () => before?.focus?.();
    }, []);
    return (
        <dialog ref={box} aria-label={title} onClose={onClose} onClick={(e) => e.target === box.current && onClose()}>
            <div class="dialog-body">
                <h2>{title}</h2>
                {children}
            </div>
        </dialog>
    );
}
