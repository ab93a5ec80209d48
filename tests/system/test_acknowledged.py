"""What was acknowledged is there, and ends once, although Redis is killed with -9 while thousands of retries come."""
import random
import time
import unittest

from client import Api
from contract import check_accepted
from history import endings
from persistent import PersistentClient, Tally, at_once, finish, sized, wait_for_acknowledged
from pipelines import BUILT_IN_ONLY, DOCUMENT
from stack import P0, StackTest, wait_for

RETRIES = sized(1500, 10_000)
CLIENTS, SOURCES = 10, 5


class Acknowledged(StackTest):
    options = {"pipelines": BUILT_IN_ONLY, "workers": 2, "concurrency": 32}

    @classmethod
    def prepare(cls):
        stack, cls.tally = cls.stack, Tally()
        cls.seed = random.randrange(2**32)
        cls.key = stack.key()
        client = Api(stack.port, cls.key)
        started = [check_accepted(client.start(DOCUMENT + " " * n), of_retry=False) for n in range(SOURCES)]
        cls.sources = [body["run"]["id"] for body in started]
        moment = int(RETRIES * random.Random(cls.seed).uniform(0.2, 0.8))
        began = time.monotonic()
        clients = at_once(CLIENTS, cls.retry_many)
        wait_for_acknowledged(cls.tally, moment, clients, 300)
        cls.before = cls.tally.count()
        cls.away = cls.kill_redis()
        finish(clients, 300)
        cls.took = time.monotonic() - began
        wait_for("every run has ended", lambda: all(stack.stats()[name] == 0 for name in ("queued", "running")),
                 sized(30, 120))
        cls.found = {run: stack.run_hash(run) for run in stack.redis.call("ZRANGE", P0 + "runs:acme", 0, -1)}

    @classmethod
    def kill_redis(cls):
        """Answers for how long it was away."""
        began = time.monotonic()
        cls.stack.redis_process.kill()
        wait_for("the clients notice", lambda: cls.tally.tries[503] > 0)
        cls.stack.start_redis()
        return time.monotonic() - began

    @classmethod
    def retry_many(cls, index):
        dice, client = random.Random(cls.seed + index), PersistentClient([cls.stack.port], cls.key, cls.tally)
        for _ in range(RETRIES // CLIENTS):
            client.retry(dice.choice(cls.sources))
        client.close()

    def test_every_acknowledged_retry_is_there_and_none_twice(self):
        print(f"\nseed {self.seed}: Redis killed after {self.before} of {RETRIES} retries, away for "
              f"{self.away:.2f} s; {self.tally}; {RETRIES / self.took:.0f} a second", flush=True)
        self.assertEqual(len(self.tally.runs), RETRIES // CLIENTS * CLIENTS)
        self.assertTrue(RETRIES * 0.1 < self.before < RETRIES, "Redis was not killed in the middle")
        acknowledged = set(self.tally.runs.values())
        self.assertEqual(len(acknowledged), len(self.tally.runs), "two keys, one run")
        self.assertEqual(acknowledged - set(self.found), set(), "acknowledged, and gone")
        self.assertEqual(set(self.found) - acknowledged, set(self.sources), "made, and acknowledged to nobody")
        retries = [run for source in self.sources
                   for run in self.stack.redis.call("ZRANGE", f"{P0}retries:{source}", 0, -1)]
        self.assertEqual(sorted(retries), sorted(acknowledged))

    def test_every_run_ends_once_and_well(self):
        for run, record in self.found.items():
            self.assertEqual((record["status"], endings(record)), ("complete", ["complete"]), run)
        stats = self.stack.stats()
        self.assertEqual((stats["accepted"], stats["complete"]), (len(self.found), len(self.found)))

    def test_nothing_of_them_is_left_in_the_queue(self):
        for key in ("leases", "queued", "delayed"):
            self.assertEqual(self.stack.redis.call("ZCARD", P0 + key), 0)
        for stream in ("default", "again"):
            self.assertEqual(self.stack.redis.call("XPENDING", f"{P0}queue:{stream}", "workers")[0], 0)


if __name__ == "__main__":
    unittest.main()
