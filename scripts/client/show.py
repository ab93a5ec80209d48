"""Runs, steps and artifacts as text for people. Reads only what the API's schema promises, and bears what is left out."""

import json
from datetime import datetime

ENDED = ("ready", "complete", "failed", "canceled", "expired")
WENT_WELL = ("ready", "complete")

_WAITING_STEP = ("", "pending", "queued", "waiting", "planned")


def clean(value):
    """Names and messages come from other people's documents: none of them may steer the terminal."""
    return "".join(c if c.isprintable() else " " for c in str(value))


def escaped(text):
    """JSON that says the same, in characters that steer no terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else json.dumps(c)[1:-1] for c in text)


def table(head, rows, indent=""):
    rows = [[clean(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        yield (indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths))).rstrip()


def moment(text):
    """An RFC 3339 time as a datetime; None if it is missing or something else."""
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00"))
    except (AttributeError, ValueError):
        return None


def when(text):
    time = moment(text)
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S") if time else "-"


def took(begin, end):
    begin, end = moment(begin), moment(end)
    if not begin or not end:
        return "-"
    seconds = (end - begin).total_seconds()
    return f"{seconds:.2f} s" if seconds < 60 else f"{int(seconds // 60)} min {seconds % 60:.0f} s"


def size(count):
    if not isinstance(count, (int, float)):
        return "-"
    for unit in ("B", "KB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


class Step:
    def __init__(self, record):
        self.name = str(record.get("name", "?"))
        self.status = str(record.get("status", ""))
        self.attempt = record.get("attempt") or 1
        self.begin = record.get("startedAt")
        self.end = record.get("completedAt")
        self.error = record.get("error")

    @property
    def begun(self):
        return bool(self.begin) or self.status not in _WAITING_STEP

    @property
    def finished(self):
        return self.begun and self.status != "running" and self.status not in _WAITING_STEP

    @property
    def took(self):
        return took(self.begin, self.end)

    @property
    def reason(self):
        if not isinstance(self.error, dict):
            return clean(self.error or "")
        said = ": ".join(str(self.error[part]) for part in ("code", "message") if self.error.get(part))
        if "signal" in self.error:
            said += f" (signal {self.error['signal']})"
        elif "exitCode" in self.error:
            said += f" (exit {self.error['exitCode']})"
        return clean(said)


def steps_of(run):
    return [Step(record) for record in run.get("steps") or [] if isinstance(record, dict)]


def artifacts_of(run):
    manifest = run.get("artifactManifest") or {}
    return [item for item in manifest.get("artifacts") or [] if isinstance(item, dict)]


def lineage_of(run):
    return (run.get("inputSummary") or {}).get("lineage") or {}


def verdict_of(run):
    return run.get("verdict", "-")


def artifacts(run):
    yield from table(
        ("KEY", "SIZE", "TYPE", "SHA-256"),
        [(a.get("key", "?"), size(a.get("bytes")), a.get("contentType", "-"), str(a.get("sha256", "-"))[:16])
         for a in artifacts_of(run)])


def _inputs(run):
    summary = run.get("inputSummary") or {}
    for name in ("openapi", "config", "oldSdk"):
        one = summary.get(name)
        if isinstance(one, dict):
            yield f"{name}: {one.get('fileName', '-')}, {size(one.get('bytes'))}, sha256 {str(one.get('sha256', '-'))[:16]}"


def one_run(run):
    facts = [("run", run.get("id")), ("project", run.get("projectId")),
             ("status", run.get("status")), ("verdict", verdict_of(run)), ("mode", run.get("mode")),
             ("created", when(run.get("createdAt")))]
    if run.get("completedAt"):
        facts.append(("completed", f"{when(run['completedAt'])}, after {took(run.get('createdAt'), run['completedAt'])}"))
    lineage = lineage_of(run)
    if lineage.get("retryOf"):
        facts.append(("retry", f"number {lineage.get('retryNumber', '?')}, of {lineage['retryOf']}"))
        if lineage.get("reason"):
            facts.append(("reason", lineage["reason"]))
    document = (run.get("inputSummary") or {}).get("document") or {}
    if document.get("title"):
        facts.append(("document", f"{document['title']} {document.get('version', '')}, "
                                  f"{document.get('operations', '?')} operations"))
    facts += [("input", text) for text in _inputs(run)]
    if run.get("notes"):
        facts.append(("notes", run["notes"]))
    for name, value in facts:
        if value is not None:
            yield f"{name:<10} {clean(value)}"

    steps = steps_of(run)
    if steps:
        yield ""
        yield from table(("STEP", "STATUS", "TRIES", "TIME", "REASON"),
                         [(s.name, s.status, s.attempt if s.begun else "-", s.took, s.reason) for s in steps])
    if artifacts_of(run):
        yield ""
        yield from artifacts(run)


def runs(records):
    yield from table(
        ("RUN", "STATUS", "VERDICT", "CREATED", "TOOK", "RETRY OF"),
        [(r.get("id"), r.get("status"), verdict_of(r), when(r.get("createdAt")),
          took(r.get("createdAt"), r.get("completedAt")), lineage_of(r).get("retryOf", "-")) for r in records])


def dead(letters):
    return table(["RUN", "SINCE", "CODE", "STEP", "MESSAGE"],
                 [[one["run"], when(one["at"]), one["code"], one.get("step", "-"), _first_line(one.get("message", "-"))]
                  for one in letters])


def _first_line(text, most=60):
    line = (text.splitlines() or [""])[0]
    return line if len(line) <= most else line[:most - 1] + "…"


def projects(records):
    yield from table(
        ("PROJECT", "NAME", "STATUS", "MODE", "RUNS", "CREATED"),
        [(p.get("id"), p.get("name"), p.get("status", "-"), p.get("mode", "-"), p.get("runCount", "-"),
          when(p.get("createdAt"))) for p in records])


def side_by_side(records):
    """What several runs did, a column each; artifacts that are the same byte for byte say so."""
    head = ["", *[r.get("id", "?") for r in records]]
    rows = [["retry of", *[lineage_of(r).get("retryOf", "-") for r in records]],
            ["reason", *[lineage_of(r).get("reason", "-") for r in records]]]
    names = list(dict.fromkeys(s.name for r in records for s in steps_of(r)))
    for name in names:
        cells = []
        for run in records:
            step = next((s for s in steps_of(run) if s.name == name), None)
            cells.append(f"{step.status}  {step.took}" if step else "-")
        rows.append([name, *cells])
    rows += [["status", *[r.get("status", "-") for r in records]],
             ["verdict", *[verdict_of(r) for r in records]],
             ["from accepted to ended", *[took(r.get("createdAt"), r.get("completedAt")) for r in records]]]
    yield from table(head, rows)

    keys = list(dict.fromkeys(a.get("key", "?") for r in records for a in artifacts_of(r)))
    if keys:
        yield ""
        rows = []
        for key in keys:
            found = [next((a for a in artifacts_of(r) if a.get("key") == key), {}) for r in records]
            same = len({a.get("sha256") for a in found}) == 1
            rows.append([key, *[size(a.get("bytes")) for a in found], "same bytes" if same else ""])
        yield from table(["ARTIFACT", *[f"SIZE {n}" for n in range(1, len(records) + 1)], ""], rows)
