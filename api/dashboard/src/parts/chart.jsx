// A chart over time, drawn by uPlot.
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { useValue } from '../live.js';
import { isDark } from '../theme.js';

const HEIGHT = 150;
const FEW = 8; // points that make no line yet
const WHOLE_STEPS = [1, 2, 5].flatMap((n) => Array.from({ length: 9 }, (_, power) => n * 10 ** power)).sort((a, b) => a - b);

// A canvas knows no variables of CSS: the browser is asked what colour they come to.
function colour(name) {
    const probe = document.body.appendChild(document.createElement('i'));
    probe.style.color = `var(--${name})`;
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
}

const DAY = 86_400;
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const seconds = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', { weekday: 'short', day: 'numeric' });

const tickTime = (_, ticks, axis, space, step) => {
    const format = step >= DAY ? day : step >= 60 ? clock : seconds;
    return ticks.map((at) => format.format(at * 1000));
};

// `whole`: between two numbers there is nothing to mark.
function options(width, lines, unit, whole) {
    const text = colour('quiet');
    const grid = { stroke: colour('line'), width: 1 };
    const axis = { stroke: text, grid, ticks: { show: false }, font: '11px system-ui, sans-serif' };
    const shown = (_, value) => (value === null || value === undefined ? '–' : unit(value));
    return {
        width,
        height: HEIGHT,
        cursor: { sync: { key: 'overview' }, y: false, points: { size: 6 } },
        scales: { y: { range: (_, low, high) => [0, Math.max(high * 1.1, 1)] } },
        axes: [
            { ...axis, grid: { show: false }, size: 26, space: 70, values: tickTime },
            { ...axis, size: 56, values: (_, ticks) => ticks.map(unit), ...(whole && { incrs: WHOLE_STEPS }) },
        ],
        legend: { markers: { width: 0, fill: (plot, i) => (i ? plot.series[i].stroke(plot, i) : 'transparent') } },
        series: [
            { label: 'at', value: (_, at) => (at ? `${day.format(at * 1000)} ${seconds.format(at * 1000)}` : '–') },
            ...lines.map((line) => ({
                label: line.name,
                stroke: colour(line.colour),
                width: 1.5,
                points: { show: (plot) => plot.data[0].length < FEW, size: 4 },
                value: shown,
                fill: line.filled ? colour(`${line.colour}-faint`) : undefined,
            })),
        ],
    };
}

// rows: [seconds since 1970, ...]; lines: {name, colour, of: (row, before) => number | null, filled?}.
export function Chart({ title, rows, lines, unit, whole }) {
    const box = useRef(null);
    const plot = useRef(null);
    const dark = useValue(isDark);
    const columns = [rows.map((row) => row[0]), ...lines.map((line) => rows.map((row, i) => line.of(row, rows[i - 1])))];
    const latest = useRef(columns);
    latest.current = columns;

    useEffect(() => {
        const element = box.current;
        const width = () => Math.max(200, element.clientWidth);
        const made = new uPlot(options(width(), lines, unit, whole), latest.current, element);
        plot.current = made;
        const resized = new ResizeObserver(() => made.setSize({ width: width(), height: HEIGHT }));
        resized.observe(element);
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
