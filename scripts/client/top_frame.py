"""One picture of `top`, as lines of (style, text)."""

import time

from . import show_service
from .show import clean, moment

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.:-=+*#"
SAMPLES = 60  # ten minutes
OTHERS = ("ready", "complete", "failed", "canceled", "expired")


def lines(board, size=None, blocks=True):
    """As much as has room; all of it without a size."""
    width, height = size or (None, None)
    top = [*_head(board), *_pauses(board)]
    trends = list(_trends(board, width, blocks))
    # What is now comes before what was.
    top += trends if height is None else trends[:max(height - len(top) - 8, 0)]
    workers = list(show_service.brief_worker_table(sorted(board.workers["workers"], key=lambda w: w["state"] == "lost")))
    events = [_event(event) for event in board.events()]
    if height:
        # A heading and a blank line for each of the two lists; a third of the room, at least, is for events.
        room = max(height - len(top) - 4, 0)
        of_workers = max(room - max(room // 3, room - len(workers)), min(len(workers), 2))
        workers = _at_most(workers, of_workers)
        events = events[:max(room - len(workers), 0)]
    else:
        events = events[:20]
    body = [("", ""), ("head", "workers  " + show_service.totals(board.workers["totals"])), *[("", line) for line in workers],
            ("", ""), ("head", "latest"), *[("", line) for line in events]]
    return [(style, clean(text)) for style, text in top + body]


def _at_most(rows, most):
    return rows if len(rows) <= most else [*rows[:most - 1], f"... and {len(rows) - most + 1} more"] if most > 1 else rows[:most]


def _head(board):
    overview, queue = board.overview, board.queue
    runs = overview["runs"]
    yield "title", f"Reprise {board.me['version']} at {board.api.url}, {time.strftime('%H:%M:%S')}, as {board.me['user']}"
    if board.trouble:
        yield "warning", f"what follows is old: {board.trouble}"
    for warning in overview.get("warnings", []):
        yield "warning", f"{warning['code']}: {warning['message']}"
    yield "", f"queued {show_service.places(queue)}; running {queue['running']}; blocked {show_service.blocked(queue)}"
    yield "", "  ".join(f"{name} {runs[name]}" for name in OTHERS) + f"  dead {overview.get('dead', '-')}"


def _pauses(board):
    for text in show_service.paused(board.queue["paused"]):
        yield "warning", text


def _trends(board, width, blocks):
    samples = [dict(zip(board.history["columns"], row)) for row in board.history["rows"][-SAMPLES - 1:]]
    pace, counts = board.queue["perSecond"], board.workers["totals"]
    failing = rates(samples, "failed")
    yield "", ""
    for name, now, series in (
            ("accepted/s", f"{pace['accepted']:.2f}", rates(samples, "accepted")),
            ("started/s", f"{pace['started']:.2f}", rates(samples, "started")),
            ("queued", board.queue["queued"], [one["queued"] for one in samples]),
            ("ended/s", f"{pace['ended']:.2f}", rates(samples, "ended")),
            ("failed/s", f"{failing[-1] if failing else 0:.2f}", failing),
            ("oldest", show_service.span(board.queue["oldestQueuedSeconds"]), [one["oldestSeconds"] for one in samples]),
            ("busy", f"{counts['busy']}/{counts['slots']}", [one["busy"] for one in samples])):
        room = SAMPLES if width is None else min(SAMPLES, max(width - 24, 0))
        yield "", f"{name:<12}{now:>8}  {sparkline(series[-room:] if room else [], blocks)}".rstrip()


def rates(samples, name):
    """Per second, of a counter that only grows; one that begins anew makes no rate."""
    return [max(after[name] - before[name], 0) / (after["at"] - before["at"])
            for before, after in zip(samples, samples[1:]) if after["at"] > before["at"]]


def sparkline(series, blocks=True):
    levels, peak = BLOCKS if blocks else ASCII, max(series, default=0)
    if peak <= 0:
        return levels[0] * len(series)
    return "".join(levels[min(int(value / peak * len(levels)), len(levels) - 1)] for value in series)


def _event(event):
    at = moment(event.get("at"))
    clock = at.astimezone().strftime("%H:%M:%S") if at else " " * 8
    if "count" in event:
        return f"{clock}  {event['count']} events more than can be told"
    words = (clock, event.get("org", ""), event.get("run", ""), event.get("type", ""), event.get("step", ""), event.get("by", ""))
    # Of a step, the cause is mostly its number.
    cause = f": {event['cause']}" if event.get("cause") and not str(event["cause"]).isdigit() else ""
    return "  ".join(str(word) for word in words if word) + cause
