// A chart over time, drawn by uPlot.
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { useValue } from '../live.js';
import { isDark } from '../theme.js';

const HEIGHT = 150;

// A canvas knows no variables of CSS: the browser is asked what colour they come to.
function colour(name) {
    const probe = document.body.appendChild(document.createElement('i'));
    probe.style.color = `var(--${name})`;
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
}

function options(width, lines, unit) {
    const text = colour('quiet');
    const grid = { stroke: colour('line'), width: 1 };
    const axis = { stroke: text, grid, ticks: { show: false }, font: '11px system-ui, sans-serif' };
    const shown = (_, value) => (value === null || value === undefined ? '–' : unit(value));
    return {
        width, height: HEIGHT, cursor: { sync: { key: 'overview' }, y: false, points: { size: 6 } },
        scales: { y: { range: (_, low, high) => [0, Math.max(high * 1.1, 1)] } },
        axes: [{ ...axis, grid: { show: false } }, { ...axis, size: 56, values: (_, ticks) => ticks.map(unit) }],
        series: [{ value: '{HH}:{mm}:{ss}' }, ...lines.map((line) => ({
            label: line.name, stroke: colour(line.colour), width: 1.5, points: { show: false }, value: shown,
            fill: line.filled ? colour(`${line.colour}-faint`) : undefined,
        }))],
    };
}

// rows: [seconds since 1970, ...]; lines: {name, colour, of: (row, before) => number | null, filled?}.
export function Chart({ title, rows, lines, unit }) {
    const box = useRef(null);
    const plot = useRef(null);
    const dark = useValue(isDark);
    const columns = [rows.map((row) => row[0]), ...lines.map((line) => rows.map((row, i) => line.of(row, rows[i - 1])))];
    const latest = useRef(columns);
    latest.current = columns;

    useEffect(() => {
        const width = () => Math.max(200, box.current.clientWidth);
        const made = new uPlot(options(width(), lines, unit), latest.current, box.current);
        plot.current = made;
        const resized = new ResizeObserver(() => made.setSize({ width: width(), height: HEIGHT }));
        resized.observe(box.current);
        return () => {
            resized.disconnect();
            made.destroy();
        };
    }, [dark]);
    useEffect(() => plot.current.setData(columns), [rows]);

    const last = lines.map((line, i) => `${line.name} ${unit(columns[i + 1].findLast((v) => v !== null) ?? 0)}`).join(', ');
    return (
        <figure class="chart">
            <figcaption>{title}</figcaption>
            <div ref={box} role="img" aria-label={`${title}, latest: ${last}`} />
        </figure>
    );
}
