"""More than one partition: organisations are spread over them, and workers serve all of them at once."""
import time
import unittest

from client import Api
from contract import check_accepted
from pipelines import BUILT_IN_ONLY, DOCUMENT
from process import processor_seconds
from stack import StackTest, wait_for

PARTITIONS, ORGS = 4, 12


class Partitions(StackTest):
    options = {"pipelines": BUILT_IN_ONLY, "workers": 1, "concurrency": 2, "settings": ("--partitions", PARTITIONS)}

    @classmethod
    def prepare(cls):
        cls.clients = [cls.stack.client(f"org-{n}") for n in range(ORGS)]

    def ended(self, client, run):
        return client.get(f"/api/runs/{run}").json["status"] == "complete"

    def test_runs_of_all_partitions_are_taken_and_retried(self):
        runs = [(c, check_accepted(c.start(DOCUMENT), of_retry=False)["run"]["id"]) for c in self.clients]
        self.assertGreater(len({run[4:6] for _, run in runs}), 2, "all organisations are in the same place")
        for client, run in runs:
            wait_for(f"{run} ends", lambda c=client, r=run: self.ended(c, r))
        for client, run in runs:
            again = check_accepted(client.retry(run), of_retry=True)["run"]["id"]
            self.assertEqual(again[4:6], run[4:6])
            wait_for(f"{again} ends", lambda c=client, r=again: self.ended(c, r), 5)
            listed = client.get("/api/runs?status=complete&limit=2").json["runs"]
            self.assertEqual([r["id"] for r in listed], [again, run])

    def test_an_idle_worker_costs_nothing_and_keeps_its_connections(self):
        worker = self.stack.workers[0]
        beats = self.stack.redis.call("ZSCORE", "reprise:workers", worker.id)
        busy = processor_seconds(worker.pid)
        wait_for("it has beaten again", lambda: self.stack.redis.call("ZSCORE", "reprise:workers", worker.id) != beats)
        self.assertLess(processor_seconds(worker.pid) - busy, 1.0)
        self.assertNotIn('"redis_lost"', worker.log_text())

    def test_the_past_is_told_of_times_when_all_partitions_were_looked_at(self):
        """Else a sum of some would be taken for a fall of what only grows, or for a rise."""
        redis, now = self.stack.redis, int(time.time()) // 10 * 10 - 3000
        sampled = {now: 1, now + 10: PARTITIONS, now + 20: PARTITIONS - 1, now + 30: PARTITIONS, now + 40: 2}
        for at, partitions in sampled.items():
            for p in range(partitions):
                accepted = 1000 * (p + 1) + at - now
                redis.call("XADD", f"reprise:{{p{p}}}:samples", "*", "at", at, "v", f"{accepted} 0 0 0 3 0 0 {p} 2 4 1 1 2 1")
        history = self.stack.client("*", "ops:read").get("/api/history").json
        rows = [dict(zip(history["columns"], row)) for row in history["rows"] if now <= row[0] <= now + 40]
        self.assertEqual([row["at"] - now for row in rows], [10, 30])
        self.assertEqual(rows[0], {"at": now + 10, "accepted": 10_040, "started": 0, "ended": 0, "failed": 0, "queued": 12, "running": 0,
                                   "blocked": 0, "oldestSeconds": 3, "workers": 2, "slots": 4, "busy": 1, "held": 4, "setAside": 8,
                                   "putBack": 4})
        for p in range(PARTITIONS):  # the other tests shall not see them
            redis.call("DEL", f"reprise:{{p{p}}}:samples")

    def test_a_watcher_is_told_in_every_partition(self):
        for client in self.clients[:4]:
            run = check_accepted(client.start(DOCUMENT), of_retry=False)["run"]["id"]
            events = Api(self.stack.port, client.key).get(f"/api/runs/{run}/events").body
            self.assertIn(b"event: run.complete", events)


if __name__ == "__main__":
    unittest.main()
