// Marks, drawn: not every system's fonts have such characters. They stand beside words and are hidden from who listens.
const RING = <circle cx="6" cy="6" r="4.2" />;
const SHAPES = {
    ring: RING,
    dashed: <circle cx="6" cy="6" r="4.2" stroke-dasharray="2 1.6" />,
    half: (
        <>
            {RING}
            <path d="M6 1.8a4.2 4.2 0 0 1 0 8.4z" class="filled" />
        </>
    ),
    check: (
        <>
            <circle cx="6" cy="6" r="5" class="filled" />
            <path d="m3.7 6.2 1.6 1.6 3-3.3" class="cut" />
        </>
    ),
    cross: (
        <>
            <circle cx="6" cy="6" r="5" class="filled" />
            <path d="m4.2 4.2 3.6 3.6m0-3.6L4.2 7.8" class="cut" />
        </>
    ),
    slash: (
        <>
            {RING}
            <path d="m3.1 8.9 5.8-5.8" />
        </>
    ),
    bars: <path d="M4 2.5v7m4-7v7" />,
    dot: <circle cx="6" cy="6" r="1.4" class="filled" />,
    again: <path d="M9.9 6A3.9 3.9 0 1 1 8.6 3.1M9.9 1.4v2.4H7.5" />,
    warning: (
        <>
            <path d="M6 1.6 11 10.2H1z" />
            <path d="M6 5v2.4m0 1.3v.1" />
        </>
    ),
    copy: (
        <>
            <rect x="1.6" y="3.6" width="6.2" height="6.8" rx="1.2" />
            <path d="M4.4 1.6h4.4c.9 0 1.6.7 1.6 1.6v4.6" />
        </>
    ),
    tick: <path d="m2 6.4 2.8 2.8L10 3.4" />,
    close: <path d="m2.6 2.6 6.8 6.8m0-6.8L2.6 9.4" />,
    sun: (
        <>
            <circle cx="6" cy="6" r="2.2" />
            <path d="M6 .8v1.4m0 7.6v1.4M.8 6h1.4m7.6 0h1.4M2.3 2.3l1 1m5.4 5.4 1 1m0-7.4-1 1M3.3 8.7l-1 1" />
        </>
    ),
    moon: <path d="M9.8 7.4A4.4 4.4 0 0 1 4.6 2.2a4.4 4.4 0 1 0 5.2 5.2z" />,
    twist: <path d="m4.4 2.8 3.4 3.2-3.4 3.2" />,
};

export const Icon = ({ of, class: more = '' }) => (
    <svg class={`mark ${more}`} viewBox="0 0 12 12" aria-hidden="true">
        {SHAPES[of] ?? SHAPES.dot}
    </svg>
);
