"""How long runs stood still that had lost their worker: from what took it to the next claim.

All on one clock: Redis' ids and this process both read the machine's. What is promised holds while Redis answers and
a live worker has a free slot: a time without Redis starts the count anew, and time in which no worker could have
taken the run is not counted. A run that its worker hands back was in good hands until then.
"""
from cluster import LEASE, SLOTS

PROMISED = 20.0
BEFORE = LEASE + 2  # how long before its run is taken away a worker can have come back, too late
STEP = 0.1
KINDS = ("lease lost", "handed back after trouble with Redis", "handed back after trouble with a disk", "drained")


class Episode:
    """A run in the hands of a worker: from its claim to whatever ended that."""
    __slots__ = ("run", "worker", "began", "ended", "how")

    def __init__(self, event):
        self.run, self.worker, self.began, self.ended, self.how = event.run, event.by, event.at, None, None


class Recovery:
    __slots__ = ("kind", "run", "worker", "why", "struck", "claimed", "seconds")

    @property
    def promised(self):
        return self.kind in KINDS[:2]

    def __repr__(self):
        return (f"{self.run} of {self.worker} ({self.kind}: {self.why}) stood still for {self.seconds:.1f} s "
                f"({self.struck:.1f} to {self.claimed:.1f})")


def episodes(by_run):
    out = []
    for events in by_run.values():
        current = None
        for event in (e for e in events if e.status):
            if current:
                current.ended, current.how = event.at, event
                current = None
            if event.status == "running":
                current = Episode(event)
                out.append(current)
    return out


def kind_of(episode):
    """What took the run from its worker, or None if it was not taken: it ended, or a step is to be tried again."""
    how = episode.how
    if how is None or how.status != "queued" or how.cause.startswith("step "):
        return None
    if how.by != episode.worker or how.cause.startswith(("lease lost", "lease ended while")):
        return KINDS[0]
    if how.cause == "drain":
        return KINDS[3]
    return KINDS[1] if any(word in how.cause for word in ("Redis", "connection", "lease")) else KINDS[2]


class Times:
    def __init__(self, cluster, by_run):
        self.outages = [tuple(o) for o in cluster.redis.outages]
        self.instances = {i.name: i for i in cluster.instances()}
        self.worker_names = [i.name for slot in cluster.workers for i in slot.instances]
        self.episodes = episodes(by_run)
        self.lives = {i.name: (i.samples[0][0], i.samples[-1][0]) for i in cluster.instances() if i.samples}

    def struck(self, episode):
        """When and by what the holder lost the run; None if no fault explains it. Of several it is the latest: in
        between it could beat again. Redis' own absence only counts where the holder had none."""
        def near(begin, end):
            return begin <= episode.ended and end >= episode.ended - BEFORE
        causes = [(a, why) for a, b, why in self.instances[episode.worker].absences if near(a, b)]
        causes = causes or [(a, "Redis away") for a, b in self.outages if near(a, b)]
        return (max(max(causes)[0], episode.began), max(causes)[1]) if causes else None

    def free_slot(self, at):
        """Whether some worker could have claimed at this moment."""
        for name in self.worker_names:
            first, last = self.lives.get(name, (0, 0))
            if not first <= at <= last or any(a <= at <= b for a, b, _ in self.instances[name].absences):
                continue
            if sum(e.worker == name and e.began <= at < (e.ended or at + 1) for e in self.episodes) < SLOTS:
                return True
        return False

    def counted(self, begin, end):
        for outage_begin, outage_end in self.outages:
            if outage_begin <= end and outage_end > begin:
                begin = min(outage_end, end)
        if end - begin <= PROMISED:
            return end - begin
        steps = int((end - begin) / STEP)
        return sum(self.free_slot(begin + n * STEP) for n in range(steps)) * STEP


def recoveries(cluster, by_run):
    """Answers what was recovered, and lost leases that no fault explains."""
    times, found, unexplained = Times(cluster, by_run), [], []
    for episode in times.episodes:
        kind, how = kind_of(episode), episode.how
        if kind is None:
            continue
        cause = times.struck(episode) if kind == KINDS[0] else (how.at, how.cause)
        if cause is None:
            unexplained.append(f"{episode.run} of {episode.worker} since {episode.began:.1f}: {how} at {how.at:.1f}")
            continue
        after = next((e for e in by_run[episode.run] if e.seq > how.seq and e.status), None)
        if after is None or after.status != "running":
            continue  # canceled while it waited
        r = Recovery()
        r.kind, r.run, r.worker, (r.struck, r.why), r.claimed = kind, episode.run, episode.worker, cause, after.at
        r.seconds = times.counted(r.struck, r.claimed)
        found.append(r)
    return found, unexplained
