"""The way a run has gone, as its hash tells it."""
import collections

from stack import ENDED

Transition = collections.namedtuple("Transition", "seq at status actor")  # at: ms by Redis' clock


def transitions(record):
    for line in record["history"].splitlines():
        seq, at, status, actor = line.split()
        yield Transition(int(seq), int(at), status, actor)


def statuses(record):
    return [t.status for t in transitions(record)]


def endings(record):
    """Each end that it came to; what came after the first is one too many."""
    path = statuses(record)
    first = next((place for place, status in enumerate(path) if status in ENDED), len(path))
    return path[first:]
