"""timeline.svg: what was answered in each second, over bands that say what was broken; a dot for each recovery."""
import collections
import html

WIDTH, LEFT, RIGHT, ROW, PLOT = 1400, 60, 60, 14, 220
LAYERS = (("ok", "#5b9a68"), ("refusal", "#c9c46a"), ("503", "#d9893b"), ("broken", "#b5443c"))
BROKEN = ("reset", "refused", "timeout")


def per_second(attempts, began, seconds):
    counts = collections.defaultdict(lambda: [0] * (seconds + 1))
    for _, ended, _, what, _ in attempts:
        at = int(ended - began)
        if 0 <= at <= seconds:
            counts["broken" if what in BROKEN else what][at] += 1
    return counts


def rows_for(faults):
    """Bands that do not overlap share a row."""
    rows, placed = [], []
    for fault, begin, end in sorted(faults, key=lambda f: f[1]):
        row = next((n for n, free in enumerate(rows) if free <= begin), len(rows))
        # A band of no length still needs room for its label.
        rows[row:row + 1] = [max(end, begin + 8)]
        placed.append((row, fault, begin, end))
    return len(rows), placed


def draw(attempts, faults, recovered, began, ended):
    seconds = max(1, int(ended - began))
    rows, placed = rows_for(faults)
    top = 30 + rows * ROW
    height = top + PLOT + 50

    def x(at):
        return LEFT + (WIDTH - LEFT - RIGHT) * min(max((at - began) / seconds, 0), 1)
    counts = per_second(attempts, began, seconds)
    highest = max([sum(counts[name][s] for name, _ in LAYERS) for s in range(seconds + 1)] + [1])
    slowest = max([r.seconds for r in recovered] + [20])
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" '
           f'font-size="10"><rect width="100%" height="100%" fill="white"/>']
    for row, fault, begin, end in placed:
        y = 24 + row * ROW
        label = html.escape(f"{fault.kind} {fault.target}")
        out.append(f'<rect x="{x(begin):.1f}" y="{y}" width="{max(x(end) - x(begin), 2):.1f}" height="{ROW - 2}" '
                   f'fill="#7a86b8" fill-opacity="0.35"/><rect x="{x(begin):.1f}" y="{top}" '
                   f'width="{max(x(end) - x(begin), 1):.1f}" height="{PLOT}" fill="#7a86b8" fill-opacity="0.07"/>'
                   f'<text x="{x(begin) + 2:.1f}" y="{y + 10}">{label}</text>')
    out += areas(counts, seconds, highest, top, lambda s: x(began + s))
    for r in recovered:
        y = top + PLOT * (1 - r.seconds / slowest)
        out.append(f'<circle cx="{x(r.claimed):.1f}" cy="{y:.1f}" r="3" fill="#26336b"><title>{html.escape(repr(r))}'
                   '</title></circle>')
    out += legend(highest, slowest, seconds, top)
    return "\n".join(out) + "</svg>\n"


def areas(counts, seconds, highest, top, x):
    below, out = [0] * (seconds + 1), []
    for name, color in LAYERS:
        above = [below[s] + counts[name][s] for s in range(seconds + 1)]

        def points(values, order):
            return " ".join(f"{x(s):.1f},{top + PLOT * (1 - values[s] / highest):.1f}" for s in order)
        out.append(f'<polygon fill="{color}" fill-opacity="0.85" points="{points(above, range(seconds + 1))} '
                   f'{points(below, range(seconds, -1, -1))}"/>')
        below = above
    return out


def legend(highest, slowest, seconds, top):
    words = (("answered", LAYERS[0][1]), ("refused by rule", LAYERS[1][1]), ("503", LAYERS[2][1]),
             ("reset, refused, timed out", LAYERS[3][1]), ("recovery (right scale)", "#26336b"))
    out = [f'<text x="4" y="{top + 10}">{highest}/s</text>'
           f'<text x="{WIDTH - RIGHT + 6}" y="{top + 10}">{slowest:.0f} s</text>'
           f'<text x="{LEFT}" y="{top + PLOT + 14}">0</text>'
           f'<text x="{WIDTH - RIGHT - 30}" y="{top + PLOT + 14}">{seconds} s</text>']
    for n, (word, color) in enumerate(words):
        at = LEFT + 200 * n
        out.append(f'<rect x="{at}" y="{top + PLOT + 26}" width="10" height="10" fill="{color}"/>'
                   f'<text x="{at + 14}" y="{top + PLOT + 35}">{word}</text>')
    return out
