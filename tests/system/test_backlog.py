"""A dead worker's run is running again within 20 s, with the leases that are shipped, whatever is queued before."""
import pathlib
import time
import unittest

from contract import check_accepted, check_run
from history import transitions
from persistent import FULL, PersistentClient, Tally, at_once, finish, sized
from pipelines import DOCUMENT, VERIFY, pipelines, shell
from resp import RedisError
from stack import P0, StackTest, kept, wait_for

BACKLOG = sized(5000, 100_000)
PROMISED = 20.0  # seconds
CLIENTS, BATCH = 8, 500
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
# Nobody drains the backlog: the living worker is busy with it, and has a free slot every half second.
LONG = 'echo $$ >>"$0/long"; while ! test -e "$0/go"; do sleep 0.1; done'
STEPS = pipelines(VERIFY, shell("busy", "sleep 0.5"), stainless_compatible=[VERIFY, shell("long", LONG)])


class BehindABacklog(StackTest):
    options = {"pipelines": STEPS, "workers": 0, "concurrency": 1, "settings": ("--queue-limit", 200_000)}

    @classmethod
    def prepare(cls):
        stack = cls.stack
        cls.side = stack.dir / "side"
        stack.pipelines.write_text(stack.pipelines.read_text().replace("$0", str(cls.side)))
        cls.client = stack.client()
        cls.victim = stack.start_worker()
        cls.run_id = cls.start(mode="stainless_compatible", configText="a: 1")
        wait_for("the long step has begun", lambda: cls.begun() == 1)
        cls.source = cls.start()
        began = time.monotonic()
        (cls.fill_directly if FULL else cls.fill_over_http)()
        cls.filled = time.monotonic() - began
        stack.concurrency = 2
        cls.rescuer = stack.start_worker()

    @classmethod
    def start(cls, **fields):
        return check_accepted(cls.client.start(DOCUMENT, **fields), of_retry=False)["run"]["id"]

    @classmethod
    def begun(cls):
        file = pathlib.Path(cls.side, "long")
        return len(file.read_text().splitlines()) if file.exists() else 0

    @classmethod
    def queued(cls):
        return cls.stack.redis.call("ZCARD", P0 + "queued")

    @classmethod
    def fill_over_http(cls):
        def retry_many(_):
            client = PersistentClient([cls.stack.port], cls.client.key, tally)
            for _ in range(BACKLOG // CLIENTS):
                client.retry(cls.source)
            client.close()
        tally = Tally()
        finish(at_once(CLIENTS, retry_many), 60)

    @classmethod
    def fill_directly(cls):
        """By the very function that the API calls, many in one pipeline."""
        redis, like = cls.stack.redis, cls.stack.redis.hash(f"{P0}run:{cls.source}")
        inputs = " ".join(kept(cls.stack.run_hash(cls.source)))
        accept = next(name for name in function_names(redis) if name.endswith("_accept"))
        for first in range(0, BACKLOG, BATCH):
            for n in range(first, first + BATCH):
                redis.send("FCALL", accept, 1, P0, 90_000_000, 200_000, 1, another_run(cls.source, n), "acme", like["project"],
                           "", "", "", "flagship", "default", like["fixed"], inputs, cls.source, "test", "", "")
            for answer in [redis.read() for _ in range(BATCH)]:
                if isinstance(answer, RedisError) or answer[3][0] != "accepted":
                    raise AssertionError(f"accept answered {answer}")

    def test_a_dead_workers_run_is_running_again_within_twenty_seconds(self):
        stack, redis = self.stack, self.stack.redis
        before = stack.run_hash(self.run_id)
        self.assertEqual((before["status"], before["worker"]), ("running", self.victim.id))
        waiting = self.queued()
        self.assertGreater(waiting, BACKLOG * 0.95)
        killed_at = milliseconds(redis)
        stack.kill_worker(self.victim)
        wait_for("the run is claimed again",
                 lambda: stack.run_hash(self.run_id)["worker"] == self.rescuer.id, PROMISED + 10)
        path = list(transitions(stack.run_hash(self.run_id)))
        self.assertEqual([t.status for t in path], ["queued", "running", "queued", "running"])
        lost, claimed = ((t.at - killed_at) / 1000 for t in path[2:])
        print(f"\n{waiting} queued ({self.filled:.1f} s to fill), {self.queued()} when claimed again: lost after "
              f"{lost:.2f} s, running again after {claimed:.2f} s", flush=True)
        self.assertLess(claimed, PROMISED)
        self.assertGreater(self.queued(), BACKLOG * 0.9, "the backlog was not in the way")

        wait_for("the step has begun again", lambda: self.begun() == 2, 10)
        (self.side / "go").touch()
        record = stack.wait_status(self.run_id, "complete", seconds=10)
        self.assertEqual((record["lost"], record["worker"]), ("1", self.rescuer.id))
        self.client.close()  # it was idle for too long
        check_run(self.client.get(f"/api/runs/{self.run_id}").json)


def milliseconds(redis):
    seconds, micro = redis.call("TIME")
    return int(seconds) * 1000 + int(micro) // 1000


def function_names(redis):
    for library in redis.call("FUNCTION", "LIST"):
        for function in library[library.index("functions") + 1]:
            yield function[function.index("name") + 1]


def another_run(like, n):
    """An id of the same partition and time as that of `like`."""
    digits = "".join(ALPHABET[n // 32**place % 32] for place in range(8))
    return like[:-8] + digits[::-1]


if __name__ == "__main__":
    unittest.main()
