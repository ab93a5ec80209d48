"""What is said: a line while it goes on, a table or one JSON object at the end."""
import collections
import json
import sys
import time

from recovery import KINDS
from stack import ENDED

EXAMPLES = 5


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0.0


class Progress:
    """One line that is rewritten on a terminal; elsewhere one every ten seconds. Stdout is kept for the result."""

    def __init__(self):
        self.live, self.next = sys.stderr.isatty(), 0.0

    def say(self, text):
        if self.live:
            print(f"\r\x1b[2K{text[:150]}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() >= self.next:
            self.next = time.monotonic() + 10
            print(text, file=sys.stderr, flush=True)

    def note(self, text):
        print(("\r\x1b[2K" if self.live else "") + text, file=sys.stderr, flush=True)


def figures(load, evidence, recovered, unexplained, faults):
    """Everything that was counted, by name."""
    how = collections.Counter(what for _, _, _, what, _ in load.attempts)
    accepts = [ended - began for began, ended, kind, what, _ in load.attempts
               if what == "ok" and kind in ("start", "retry")]
    times = [r.seconds for r in recovered if r.promised]
    waits = {kind: max((r.seconds for r in recovered if r.kind == kind), default=0) for kind in KINDS}
    endings = collections.Counter(e.run for e in evidence.events if e.status in ENDED)
    return {
        "operations": len(load.ops), "calls": len(load.attempts), "acknowledged": len(evidence.acknowledged),
        "runs": len(evidence.runs), "lost": sum(run not in evidence.runs for run in evidence.acknowledged),
        "doubled": sum(n > 1 for n in endings.values()) + sum(len(op.runs) > 1 for op in load.ops),
        "unknown": sum(op.outcome == "unknown" for op in load.ops),
        "fenced writes": evidence.stats.get("fenced", 0),
        "fenced by cancel": evidence.stats.get("fenced_canceled", 0),
        "recoveries": len(times), "recovery p50 s": round(percentile(times, 0.5), 1),
        "recovery p99 s": round(percentile(times, 0.99), 1), "recovery max s": round(max(times, default=0), 1),
        **{f"longest wait, {kind}, s": round(wait, 1) for kind, wait in waits.items()},
        "lost leases that no fault explains": len(unexplained),
        "unavailable seconds": load.unavailable_seconds(faults.stopped()),
        "accept p50 ms": round(1000 * percentile(accepts, 0.5)),
        "accept p99 ms": round(1000 * percentile(accepts, 0.99)),
        "503": how["503"], "resets": how["reset"], "refused connections": how["refused"], "timeouts": how["timeout"],
        "faults": len(faults.done),
    }


class Check:
    def __init__(self, name, title, wrong):
        self.name, self.title, self.wrong = name, title, list(wrong)


def table(out, numbers, kinds, not_run, checks):
    for name, value in numbers.items():
        print(f"  {name:<54} {value:>8}", file=out)
    print("  faults by kind: " + ", ".join(f"{kind} {many}" for kind, many in sorted(kinds.items())), file=out)
    for line in not_run:
        print(f"  not run: {line}", file=out)
    for check in checks:
        print(f"  {'FAILED' if check.wrong else 'ok':<7} {check.name:<10} {check.title}", file=out)
        for line in check.wrong[:EXAMPLES]:
            print(f"            {line[:400]}", file=out)
        if len(check.wrong) > EXAMPLES:
            print(f"            and {len(check.wrong) - EXAMPLES} more", file=out)


def as_json(args, numbers, not_run, checks, notes, done, began):
    return json.dumps({
        "seed": args.seed, "minutes": args.minutes, "ok": not any(c.wrong for c in checks), **numbers,
        "faultsDone": [{"kind": f.kind, "target": f.target, "from": round(a - began, 2), "until": round(b - began, 2)}
                       for f, a, b in done],
        "notRun": not_run, "notes": notes,
        "invariants": [{"name": c.name, "title": c.title, "ok": not c.wrong, "wrong": c.wrong[:20]} for c in checks]})
