"""Clients that go on until they are answered: what is refused, reset or put off is asked again, of the next API and
under the same Idempotency-Key. So every call ends acknowledged, and a run made twice for one key would show."""
import collections
import concurrent.futures
import http.client
import os
import threading
import time
import uuid

from client import Api
from process import wait_for

FULL = os.environ.get("REPRISE_FULL") == "1"
PUT_OFF = {"redis_unavailable", "storage_unavailable", "overloaded", "queue_full", "rate_limited"}


def sized(ordinary, full):
    """A count or a time: what suits an ordinary run of the tests, and what was promised to hold."""
    return full if FULL else ordinary


class Tally:
    """What became of all calls of all clients: tries by outcome, acknowledged runs by key, and the longest wait."""

    def __init__(self):
        self.lock, self.tries, self.runs, self.slowest = threading.Lock(), collections.Counter(), {}, 0.0

    def tried(self, outcome):
        with self.lock:
            self.tries[outcome] += 1

    def acknowledged(self, key, run, took):
        with self.lock:
            assert self.runs.setdefault(key, run) == run, f"{key} was answered with {self.runs[key]} and with {run}"
            self.slowest = max(self.slowest, took)

    def count(self):
        with self.lock:
            return len(self.runs)

    def __str__(self):
        tries = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self.tries.items(), key=str))
        return f"{len(self.runs)} acknowledged ({tries}); longest until acknowledged {self.slowest:.2f} s"


class PersistentClient:
    def __init__(self, ports, key, tally, patience=60):
        self.apis, self.tally, self.patience = collections.deque(Api(port, key) for port in ports), tally, patience

    def start(self, text, **fields):
        return self.insist("/api/reports/start", {"openapiText": text, **fields})

    def retry(self, run):
        return self.insist(f"/api/runs/{run}/retry", {})

    def insist(self, path, body):
        """The id of the run that this call made, once that is acknowledged."""
        key, began = str(uuid.uuid4()), time.monotonic()
        while time.monotonic() < began + self.patience:
            answer = self.once(path, body, key)
            if answer is not None:
                self.tally.acknowledged(key, answer.json["run"]["id"], time.monotonic() - began)
                return answer.json["run"]["id"]
        raise AssertionError(f"not acknowledged within {self.patience} s: {path}")

    def once(self, path, body, key):
        """The acknowledgement; None if there was none and the call is to be repeated."""
        kept = self.apis[0].connection is not None
        try:
            answer = self.apis[0].post(path, body, headers={"Idempotency-Key": key})
        except (OSError, http.client.HTTPException) as error:
            self.tally.tried(kind_of(error, kept))
            self.apis.rotate(1)
            if isinstance(error, ConnectionRefusedError):
                time.sleep(0.01)  # so as not to spin when every API refuses
            return None
        self.tally.tried(answer.status)
        if answer.status in (429, 503):
            assert answer.json["error"] in PUT_OFF and int(answer.headers["Retry-After"]) >= 1, answer
            self.apis.rotate(1)
            time.sleep(0.1)  # sooner than Retry-After asks for: the tests want to press
            return None
        assert answer.status == 202, f"neither accepted nor put off: {answer}"
        return answer

    def close(self):
        for api in self.apis:
            api.close()


def kind_of(error, kept):
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, TimeoutError):
        return "timed out"
    return "closed while kept open" if kept else "reset"


def at_once(threads, work):
    """Calls work(0), work(1) ... on threads of their own; answers a future that fails as soon as one of them does."""
    pool = concurrent.futures.ThreadPoolExecutor(threads)
    futures = [pool.submit(work, index) for index in range(threads)]
    pool.shutdown(wait=False)
    return futures


def wait_for_acknowledged(tally, count, clients, seconds=60):
    """Until so many are; raises what ended a client before."""
    def reached():
        over = [client.done() and client.result() is None for client in clients]
        return tally.count() >= count or all(over)
    wait_for(f"{count} runs are acknowledged", reached, seconds, every=0.002)


def finish(futures, seconds):
    """Waits for all; raises what any of them raised."""
    done, late = concurrent.futures.wait(futures, seconds, concurrent.futures.FIRST_EXCEPTION)
    for future in done:
        future.result()
    assert not late, f"{len(late)} clients have not ended within {seconds} s"
