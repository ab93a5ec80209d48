// Newest first, a page at a time. The cursor stands in the address.
import { to } from '../route.js';

export function Pager({ page, query, next }) {
    const { cursor, ...others } = query;
    if (!cursor && !next) return null;
    return (
        <nav class="pager" aria-label="Pages">
            {cursor ? (
                <a class="button" href={to(page, others)}>
                    Newest
                </a>
            ) : (
                <span />
            )}
            {next ? (
                <a class="button" href={to(page, { ...others, cursor: next })}>
                    Older
                </a>
            ) : (
                <span class="quiet">The oldest are on this page.</span>
            )}
        </nav>
    );
}
