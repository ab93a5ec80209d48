"""What is there to judge at the end: the clients' operations, the feed, and what Redis holds."""

from resp import Redis, pairs
from stack import ENDED, P0, with_fixed

STREAMS = ("default", "again")


class Evidence:
    def __init__(self, ops, feed, redis):
        self.ops, self.redis = ops, redis
        self.entries_added = feed.catch_up(redis)
        self.events, self.by_run = feed.events, feed.by_run()
        self.runs = {key[len(P0 + "run:"):]: with_fixed(redis.hash(key)) for key in redis.call("KEYS", P0 + "run:*")}
        self.stats = {k: int(v) for k, v in redis.hash(P0 + "stats").items() if v.lstrip("-").isdigit()}
        self.acknowledged = {run: op for op in ops for run in op.runs}
        self.asked = {op.id: op for op in ops if op.accepts}

    def op_of(self, record):
        """The operation that asked for this run: it left its name in the notes, or in the reason of a retry."""
        return record.get("reason") if record.get("source") else record.get("notes")

    def pending(self):
        return {name: self.redis.call("XPENDING", f"{P0}queue:{name}", "workers")[0] for name in STREAMS}

    def lag(self):
        groups = [pairs(g) for name in STREAMS for g in self.redis.call("XINFO", "GROUPS", f"{P0}queue:{name}")]
        return sum(g["lag"] or 0 for g in groups if g["name"] == "workers")


def connect(cluster):
    return Redis(cluster.redis.socket, timeout=30)


def undone(redis):
    """Runs that have not ended, by status."""
    counts = redis.call("HMGET", P0 + "stats", "queued", "running", "blocked")
    return dict(zip(("queued", "running", "blocked"), (int(n or 0) for n in counts)))


def endings(events):
    return [e for e in events if e.status in ENDED]
