"""What breaks when, made from a seed: the same seed gives the same schedule."""
import dataclasses
import random

from cluster import APIS, LEASE, WORKERS

WORKER_NAMES = [f"worker-{n + 1}" for n in range(WORKERS)]
API_NAMES = [f"api-{n + 1}" for n in range(APIS)]
AWAY_AT_ONCE = 2  # workers; the promised time to recover is for runs that some worker can take
ROLLING = 4 * (APIS + WORKERS)  # about what it takes: workers drain one after the other

# kind: (where, shortest, longest time in seconds)
KINDS = {
    "kill-worker": ("worker", 1, 5),
    "kill-api": ("api", 1, 3),
    "kill-redis": ("redis", 0.5, 3),
    "stop-worker": ("worker", 1.2 * LEASE, 3 * LEASE),
    "stop-api": ("api", 2, 12),
    "stop-redis": ("redis", 2, 12),
    "cut": ("links", 0, 3),
    "half-open": ("link", 3, 25),
    "lose-replies": ("link", 1, 8),
    "slow": ("links", 3, 10),
    "cut-mid-pipeline": ("links", 0, 2),
    "rolling-restart": ("all", ROLLING, ROLLING),
    "disk-full": ("redis", 2, 6),
    "flush-functions": ("redis", 0, 0),
    "kill-step": ("step", 0, 0),
}
NEED_ROOT = ("disk-full",)
SETTLES = 3.0  # seconds between the end of a fault and the next of the same place


@dataclasses.dataclass
class Fault:
    at: float        # seconds from the begin of the load
    seconds: float
    kind: str
    target: str
    salt: int        # decides what is left to decide when it happens

    def __str__(self):
        return f"{self.at:6.1f} s  {self.kind:<17} {self.target:<9} for {self.seconds:.1f} s"


def places(fault):
    """What a fault has to itself."""
    if fault.kind == "rolling-restart":
        return set(WORKER_NAMES + API_NAMES)
    if fault.target in WORKER_NAMES + API_NAMES:
        return {fault.target}
    return {"redis"} if KINDS[fault.kind][0] == "redis" else set()


def overlap(a, b):
    return a.at < b.at + b.seconds + SETTLES and b.at < a.at + a.seconds + SETTLES


def fits(fault, others):
    beside = [o for o in others if overlap(fault, o)]
    if any(places(fault) & places(o) for o in beside):
        return False
    if fault.kind == "rolling-restart":
        return True
    busy = [p for o in beside for p in places(o)]
    for names, most in ((WORKER_NAMES, AWAY_AT_ONCE), (API_NAMES, 1)):
        if fault.target in names and sum(p in names for p in busy) >= most:
            return False
    return True


def draw(dice, kind, at, left):
    where, shortest, longest = KINDS[kind]
    target = {"worker": dice.choice(WORKER_NAMES), "api": dice.choice(API_NAMES), "redis": "redis", "all": "all",
              "link": dice.choice(WORKER_NAMES + API_NAMES), "step": "steps",
              "links": dice.choice(WORKER_NAMES + API_NAMES + ["all"] * 3)}[where]
    if kind == "disk-full":
        target = dice.choice(["redis", "blobs"])
    seconds = dice.uniform(shortest, max(shortest, min(longest, left)))
    return Fault(round(at, 1), round(seconds, 1), kind, target, dice.randrange(1 << 30))


def make(seed, seconds, kinds):
    """Every kind comes once before any comes again, as far as there is room."""
    dice, made, deck = random.Random(seed), [], []
    at, last = 3.0, seconds - 1
    while at < last:
        if not deck:
            deck = dice.sample(kinds, len(kinds))
        for kind in list(deck):
            fault = draw(dice, kind, at, last - at)
            if at + KINDS[kind][1] <= last and fits(fault, made):
                made.append(fault)
                deck.remove(kind)
                break
        else:
            at += 1.0  # nothing fits at this moment
            if not any(at + KINDS[kind][1] <= last for kind in deck):
                deck = []
            continue
        at += dice.uniform(1.0, 5.0) if len(kinds) > 1 else dice.uniform(4.0, 9.0)
    return made
