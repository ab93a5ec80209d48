"""Breaks a running Reprise on a seeded schedule and checks that it kept its promises.

usage: main.py [--minutes M] [--seed S] [--faults kind,kind...] [--json] [--keep DIR]

Needs REPRISE_BIN, the directory of the programs. The last line is `N passed, N failed`; exit 0 only if none failed.
"""
import argparse
import collections
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system")]

# pylint: disable=wrong-import-position
import evidence as ev  # noqa: E402
import invariants as inv  # noqa: E402
import leftovers  # noqa: E402
import report  # noqa: E402
import schedule as plan  # noqa: E402
import timeline  # noqa: E402
from cluster import Cluster  # noqa: E402
from disks import own_mounts  # noqa: E402
from faults import Faults  # noqa: E402
from feed import Feed  # noqa: E402
from load import Client, Load  # noqa: E402
from recovery import PROMISED, recoveries  # noqa: E402
from stack import BIN, ROOT  # noqa: E402

HEALED_WITHIN, ANSWERED_WITHIN, DRAINED_WITHIN = 60, 40, 120


def arguments():
    p = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__.splitlines()[0])
    p.add_argument("--minutes", type=float, default=3.0)
    p.add_argument("--seed", type=int, help="of the schedule; printed, and by default another one each time")
    p.add_argument("--faults", default=",".join(plan.KINDS), help="comma list of: " + " ".join(plan.KINDS))
    p.add_argument("--json", action="store_true", help="one object on stdout instead of the table")
    p.add_argument("--keep", type=pathlib.Path, metavar="DIR",
                   help="leaves logs, calls, events, report.json, timeline.svg there")
    args = p.parse_args()
    args.faults = [kind for kind in args.faults.split(",") if kind]
    unknown = set(args.faults) - set(plan.KINDS)
    if unknown or not 0 < args.minutes <= 24 * 60:
        p.error(f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(plan.KINDS)}" if unknown
                else "--minutes is out of range")
    args.seed = random.SystemRandom().randrange(1 << 31) if args.seed is None else args.seed
    return args


def prepare(args):
    """What cannot be run here is taken out, and said."""
    not_run, disks = [], False
    if set(args.faults) & set(plan.NEED_ROOT):
        disks = own_mounts()
        if not disks:
            not_run = [f"{kind}: needs root" for kind in plan.NEED_ROOT if kind in args.faults]
            args.faults = [kind for kind in args.faults if kind not in plan.NEED_ROOT]
    return not_run, disks


def create_key(cluster):
    argv = [cluster.bin / "reprise-api", "keys", "create", "--org", "chaos", "--scopes", "runs:read,runs:write",
            *cluster.settings(cluster.redis.port)]
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30).stdout.strip()


def keep_going(seconds, load, faults, progress):
    """The time of the load, with a word on how it goes."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        how = collections.Counter(what for _, _, _, what, _ in list(load.attempts))
        broken = how["reset"] + how["refused"] + how["timeout"]
        progress.say(f"{left:4.0f} s left, {len(load.ops)} operations, {len(load.accepted)} acknowledged, "
                     f"{how['503']} 503s, {broken} broken; now: {', '.join(faults.now()) or '-'}")
        time.sleep(min(0.5, left))


def drain(cluster, progress):
    """Until every run has ended; answers what has not."""
    redis, deadline = ev.connect(cluster), time.monotonic() + DRAINED_WITHIN
    while any((left := ev.undone(redis)).values()) and time.monotonic() < deadline:
        progress.say("draining: " + ", ".join(f"{many} {status}" for status, many in left.items()))
        time.sleep(0.2)
    redis.close()
    return [f"{many} {status} after {DRAINED_WITHIN} s" for status, many in left.items() if many]


class Chaos:
    def __init__(self, args, cluster):
        self.args, self.cluster, self.progress = args, cluster, report.Progress()
        self.checks, self.notes = [], []

    def check(self, name, title, wrong):
        self.checks.append(report.Check(name, title, wrong))

    def run(self, schedule):
        cluster, args = self.cluster, self.args
        cluster.start()
        self.feed = Feed(cluster.redis.socket, cluster.dir / "events.jsonl")
        self.key = create_key(cluster)
        self.load = Load([s.port for s in cluster.apis], self.key, args.seed, ROOT, cluster.dir / "calls.jsonl")
        self.faults = Faults(cluster, schedule)
        self.began = time.time()
        self.load.start()
        self.faults.start()
        keep_going(args.minutes * 60, self.load, self.faults, self.progress)
        self.faults.heal(HEALED_WITHIN)
        cluster.redis.wait()
        for slot in cluster.slots:
            slot.wait_ready()
        self.load.stop(ANSWERED_WITHIN)
        self.ended = time.time()
        left = drain(cluster, self.progress)
        self.judge(left, schedule)

    def judge(self, left, schedule):
        self.progress.say("checking")
        cluster, redis = self.cluster, ev.connect(self.cluster)
        e = self.evidence = ev.Evidence(self.load.ops, self.feed, redis)
        self.feed.close()
        self.recovered, self.unexplained = recoveries(cluster, e.by_run)
        self.notes += [f"lost without a fault: {line}" for line in self.unexplained[:report.EXAMPLES]]
        client = Client(cluster.apis[0].port, self.key)
        for f, more in ((inv.acknowledged_exist, ()), (inv.all_ended, (left,)), (inv.one_ending, ()),
                        (inv.nothing_after_the_end, ()), (inv.written_by_the_holder, ()), (inv.one_holder, ()),
                        (inv.one_run_per_key, ()), (inv.allowed_paths, (ROOT,)),
                        (inv.artifacts_match, (client, self.args.seed)), (inv.nothing_in_hand, ()),
                        (inv.nothing_unasked, ())):
            name, _, title = f.__doc__.partition(": ")
            self.check(name, title, f(e, *more))
        client.close()
        doctor = leftovers.doctor(cluster)
        cluster.sample()  # of processes that are idle now
        ended = cluster.stop_processes()
        redis.close()
        grown, memory = leftovers.memory(cluster.slots)
        self.notes += memory
        self.check("I12", "no process, directory or temporary file is left, no descriptor leaks",
                   cluster.leftovers() + leftovers.descriptor_growth(slot.now for slot in cluster.slots))
        self.check("I13", "every refusal is a documented one, every answer comes in time",
                   self.load.wrong + self.load.hangs(self.faults.stopped()))
        self.check("I14", "memory does not grow", grown)
        slow = [repr(r) for r in self.recovered if r.promised and r.seconds >= PROMISED]
        if {"kill-worker", "stop-worker"} <= {entry[0].kind for entry in self.faults.done} and not self.recovered:
            slow.append("no run was recovered at all: nothing is shown")
        self.check("recovery", f"a lost worker's run is running again within {PROMISED:g} s", slow)
        self.check("doctor", "doctor finds nothing", doctor)
        self.check("feed", inv.feed_complete.__doc__.lower(), inv.feed_complete(e))
        self.check("processes", "none ended by itself, none reports a defect",
                   cluster.exits + ended + cluster.log_defects())
        never = {f.kind for f in schedule} - {entry[0].kind for entry in self.faults.done}
        self.check("harness", "every fault was carried out as it should be, and every kind at least once",
                   self.faults.failed + sorted(f"{kind} was never carried out" for kind in never))

    def tell(self, not_run):
        numbers = report.figures(self.load, self.evidence, self.recovered, self.unexplained, self.faults)
        kinds = collections.Counter(entry[0].kind for entry in self.faults.done)
        not_run += [f"{f.kind} {f.target} at {f.at} s: its place was in hand" for f in self.faults.skipped]
        numbers["seconds without Redis"] = round(sum(b - a for a, b in self.cluster.redis.outages), 1)
        told = report.as_json(self.args, numbers, not_run, self.checks, self.notes, self.faults.done, self.began)
        if self.args.json:
            print(told)
        else:
            report.table(sys.stdout, numbers, kinds, not_run, self.checks)
        svg = timeline.draw(self.load.attempts, self.faults.done, self.recovered, self.began, self.ended)
        (self.cluster.dir / "report.json").write_text(told)
        (self.cluster.dir / "timeline.svg").write_text(svg)


def main():
    args = arguments()
    not_run, disks = prepare(args)
    schedule = plan.make(args.seed, args.minutes * 60, args.faults) if args.faults else []
    progress = report.Progress()
    progress.note(f"seed {args.seed}: {len(schedule)} faults in {args.minutes:g} minutes")
    for fault in schedule:
        progress.note("  " + str(fault))
    cluster = Cluster(os.environ.get("REPRISE_BIN") or BIN, ROOT, args.minutes, disks)
    chaos = Chaos(args, cluster)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is cleared up then, too
    try:
        chaos.run(schedule)
        progress.note("")
        chaos.tell(not_run)
    finally:
        if args.keep:
            args.keep.mkdir(parents=True, exist_ok=True)
            cluster.keep(args.keep)
            progress.note(f"logs, calls, events, report.json and timeline.svg are in {args.keep}")
        cluster.close()
    failed = sum(bool(c.wrong) for c in chaos.checks)
    print(f"{len(chaos.checks) - failed} passed, {failed} failed", file=sys.stderr if args.json else sys.stdout)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
