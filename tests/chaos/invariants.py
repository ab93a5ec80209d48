"""What must hold, whatever was broken. Each check answers a list of what is wrong."""
import collections
import hashlib
import json
import random

from evidence import endings
from stack import ENDED, P0

WORKER_ENDINGS = ("complete", "ready", "failed")
SAMPLE = 200  # runs whose artifacts are fetched


def acknowledged_exist(e):
    """I1: every acknowledged run exists"""
    wrong = [f"{run}, acknowledged to {op.id}, is gone" for run, op in e.acknowledged.items() if run not in e.runs]
    return wrong + [f"{op.id}: {op.source}, which was acknowledged, was answered with {op.code}" for op in e.ops
                    if op.source and op.outcome == "fail" and op.code != "run_not_cancelable"]


def all_ended(e, undone):
    """I2: every acknowledged run has ended after the drain"""
    return undone + [f"{run} is {r['status']}" for run, r in e.runs.items() if r["status"] not in ENDED]


def one_ending(e):
    """I3: each run ended exactly once"""
    return [f"{run} ended {len(found)} times: {found}" for run, events in e.by_run.items()
            if len(found := endings(events)) != 1]


def nothing_after_the_end(e):
    """I4: nothing happened to a run after its end"""
    wrong = []
    for run, events in e.by_run.items():
        ends = endings(events)
        if ends and events[-1] is not ends[0]:
            wrong.append(f"{run}: {events[-1]} after {ends[0]}")
        r = e.runs.get(run, {})
        if ends and (r.get("status"), r.get("seq"), r.get("epoch")) != (ends[0].status, str(ends[0].seq),
                                                                         str(ends[0].epoch)):
            record = f"{r.get('status')} #{r.get('seq')} epoch {r.get('epoch')}"
            wrong.append(f"{run}: the record says {record}, the feed {ends[0]}")
    return wrong


def written_by_the_holder(e):
    """I5: epochs increase, and only the holder of the epoch writes"""
    wrong = []
    for run, events in e.by_run.items():
        holder, epoch = None, -1
        for event in events:
            if event.epoch is None:
                return ["the feed does not tell epochs"]
            if event.status == "running":
                if event.epoch <= epoch:
                    wrong.append(f"{run}: {event} after epoch {epoch}")
                holder, epoch = event.by, event.epoch
            elif event.status is None or (event.status in WORKER_ENDINGS and event.cause != "poison_run"):
                if (event.by, event.epoch) != (holder, epoch):
                    wrong.append(f"{run}: {event}, but {holder} holds epoch {epoch}")
            elif event.epoch < epoch:
                wrong.append(f"{run}: {event} goes back from epoch {epoch}")
            if event.status and event.status != "running":
                holder = None
    return wrong


def one_holder(e):
    """I6: no run was claimed twice without being queued in between"""
    wrong = []
    for run, events in e.by_run.items():
        path = [event for event in events if event.status]
        wrong += [f"{run}: {b} after {a}" for a, b in zip(path, path[1:]) if a.status == b.status == "running"]
    return wrong


def one_run_per_key(e):
    """I7: one run for each idempotency key"""
    wrong = [f"{op.id} was answered with {sorted(op.runs)}" for op in e.ops if len(op.runs) > 1]
    made = collections.Counter(e.op_of(r) for r in e.runs.values())
    wrong += [f"{op} made {many} runs" for op, many in made.items() if many > 1]
    return wrong + [f"{op.id}: {op.code}" for op in e.ops if op.code == "idempotency_key_reused"]


def allowed_paths(e, root):
    """I8: every change of status is one that the lifecycle allows"""
    rules = json.loads((root / "common/run/lifecycle.json").read_text())["transitions"].values()
    allowed = {(a, b) for rule in rules for a in rule["from"] for b in rule["to"]} | {(None, "queued")}
    wrong = []
    for run, events in e.by_run.items():
        if [event.seq for event in events] != list(range(1, len(events) + 1)):
            wrong.append(f"{run}: sequence {[event.seq for event in events][:60]}")
        path = [None] + [event.status for event in events if event.status]
        wrong += [f"{run}: {a} -> {b}" for a, b in zip(path, path[1:]) if (a, b) not in allowed]
    return wrong


def artifacts_match(e, client, seed):
    """I9: artifacts are what their run's manifest says"""
    finished = sorted(run for run, r in e.runs.items() if r["status"] in ("ready", "complete"))
    wrong = [] if finished else ["no run was finished"]
    for run in random.Random(seed).sample(finished, min(SAMPLE, len(finished))):
        manifest = client.get(f"/api/runs/{run}").json["artifactManifest"]["artifacts"]
        keys = {a["key"] for a in manifest}
        if not {"build.txt", "bake.txt"} <= keys:
            wrong.append(f"{run} has only {sorted(keys)}")
        for a in manifest:
            answer = client.get(a["href"])
            if answer.status != 200:
                wrong.append(f"{run} {a['key']}: {answer!r:.300}")
            elif hashlib.sha256(answer.body).hexdigest() != a["sha256"]:
                wrong.append(f"{run} {a['key']}: the bytes are not {a['sha256']}")
    return wrong


def nothing_in_hand(e):
    """I10: nothing is queued, leased or pending, and the counters are a recount"""
    wrong = []
    for name in ("leases", "queued", "delayed", "blocked"):
        left = e.redis.call("ZRANGE", P0 + name, 0, -1)
        wrong += [f"{len(left)} left in {name}: {left[:3]}"] if left else []
    wrong += [f"{many} pending in {name}" for name, many in e.pending().items() if many]
    counted = collections.Counter(r["status"] for r in e.runs.values())
    wrong += [f"stats say {e.stats.get(status, 0)} {status}, there are {counted[status]}"
              for status in ("queued", "running", "blocked", *ENDED) if e.stats.get(status, 0) != counted[status]]
    if e.stats.get("accepted", 0) != len(e.runs):
        wrong.append(f"stats say {e.stats.get('accepted')} accepted, there are {len(e.runs)} runs")
    if e.stats.get("ghosts", 0) != e.lag():
        wrong.append(f"stats say {e.stats.get('ghosts')} ghosts, the lag is {e.lag()}")
    return wrong


def nothing_unasked(e):
    """I11: there is no run that nobody asked for"""
    return [f"{run}: {e.op_of(r)!r} asked for it" for run, r in e.runs.items() if e.op_of(r) not in e.asked]


def feed_complete(e):
    """The feed was followed without a gap"""
    if e.entries_added != len(e.events):
        return [f"{e.entries_added} entries were added, {len(e.events)} were read"]
    return [f"{run} has no event" for run in e.runs if run not in e.by_run]
