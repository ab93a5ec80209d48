"""All workers are gone, and runs wait: what time brings about goes on without them, the API says what is needed, and the first
worker that starts takes everything."""
import json
import time
import unittest

from contract import check_accepted, check_error
from pipelines import DOCUMENT, VERIFY, pipelines, shell
from process import wait_for
from stack import P0, StackTest

AGAIN = shell("again", 'test -e "$0/go" || exit 75', attempts=10)
LEAVES = shell("leave", "printf 0123456789 >digits",
               artifacts=[{"key": "digits.txt", "path": "digits", "contentType": "text/plain"}])
TRIED, QUEUED, RETENTION, LEASE = 5, 8, 6, 3000


class ScaledToZero(StackTest):
    """One API process; it is the only one that sweeps once the worker is gone."""
    options = {"pipelines": pipelines(VERIFY, LEAVES, stainless_compatible=[VERIFY, AGAIN]), "workers": 0, "concurrency": 6,
               "settings": ("--retention", RETENTION, "--sweep", 100, "--lease", LEASE, "--beat", 1000)}

    @classmethod
    def prepare(cls):
        cls.side = cls.stack.dir / "side"
        cls.stack.pipelines.write_text(cls.stack.pipelines.read_text().replace("$0", str(cls.side)))
        cls.ops, cls.client, cls.past = cls.stack.client("*", "ops:read"), cls.stack.client(), cls.stack.client("past")

    def start(self, client, **fields):
        return check_accepted(client.start(DOCUMENT, **fields), of_retry=False)["run"]["id"]

    def delayed(self):
        """Runs and when they are due, in ms from now."""
        found = self.stack.redis.call("ZRANGE", P0 + "delayed", 0, -1, "WITHSCORES")
        return {run: int(due) - time.time() * 1000 for run, due in zip(found[::2], found[1::2])}

    def explain(self, run):
        return self.ops.get(f"/api/runs/{run}/explain").json

    def blobs_of_the_past(self):
        return [file for file in (self.stack.dir / "blobs/past").rglob("*") if file.is_file()]

    def test_time_goes_on_without_workers_and_the_first_one_takes_all(self):
        worker = self.stack.start_worker()
        tried = [self.start(self.client, mode="stainless_compatible", configText="a: 1") for _ in range(TRIED)]
        wait_for("one that is tried again waits for a while", lambda: max(self.delayed().values(), default=0) > 1500, every=0.005)
        ended = self.start(self.past)
        self.stack.wait_status(ended, "complete")
        self.stack.kill_worker(worker)
        delayed = self.delayed()
        self.assertTrue(delayed, "none waits for its next try any more")
        self.assertEqual({self.stack.run_hash(run)["where"] for run in delayed}, {"delayed"})
        self.assertEqual(self.stack.run_hash(ended)["status"], "complete")
        queued = [self.start(self.client) for _ in range(QUEUED)]
        last = max(delayed, key=delayed.get)
        told = self.explain(last)
        self.assertEqual((told["reason"], "until" in told), ("delayed", True), told)

        self.promoted(delayed)
        self.told_what_is_needed(tried, queued)
        self.expired(ended)

        (self.side / "go").touch()
        self.stack.start_worker()
        for run in tried + queued:
            self.stack.wait_status(run, "complete")
        self.assertEqual(self.explain(queued[0])["reason"], "ended")
        self.assertEqual(self.ops.get("/api/queue").json["queued"], 0)
        self.assertEqual(json.loads(self.stack.admin("doctor", "--json"))["findings"], [])

    def promoted(self, delayed):
        for run, due in delayed.items():
            wait_for(f"{run} is promoted", lambda run=run: self.stack.run_hash(run)["where"] == "stream", due / 1000 + 5)
        self.assertEqual(self.delayed(), {})
        for run in delayed:
            fields = self.stack.run_hash(run)
            self.assertEqual((fields["status"], fields["stream"]), ("queued", "again"), fields)

    def told_what_is_needed(self, tried, queued):
        """Within a lease: until then, the worker may be silent and alive."""
        wait_for("all wait for a worker", lambda: self.ops.get("/api/queue").json["inStreams"] == TRIED + QUEUED, LEASE / 1000 + 2)
        wait_for("the registry knows", lambda: self.ops.get("/api/workers").json["totals"]["live"] == 0, LEASE / 1000 + 2)
        scale = self.ops.get("/api/scale").json
        self.assertGreater(scale["workers"], 0, scale)
        self.assertEqual((scale["inputs"]["waiting"], scale["inputs"]["running"], scale["inputs"]["liveWorkers"]),
                         (TRIED + QUEUED, 0, 0), scale)
        for run in (*tried, *queued):
            self.assertEqual(self.explain(run)["reason"], "no_worker", run)
        wait_for("the overview warns", lambda: "no_worker" in [w["code"] for w in self.ops.get("/api/overview").json["warnings"]], 5)

    def expired(self, run):
        self.stack.wait_status(run, "expired", seconds=RETENTION + 5)
        check_error(self.past.get(f"/api/artifacts/download?runId={run}&key=digits.txt"), 410, "artifact_expired")
        # Blobs are held for as long as a run may wait and take, and an hour: that time is over when Redis says so.
        self.assertTrue(self.blobs_of_the_past())
        for index in ("retained", "pinned"):
            for blob in self.stack.redis.call("ZRANGE", P0 + index, 0, -1):
                if blob.startswith("past/"):
                    self.stack.redis.call("ZADD", P0 + index, int(time.time() * 1000), blob)
        wait_for("its blobs are gone", lambda: not self.blobs_of_the_past())
        self.assertEqual([b for b in self.stack.redis.call("ZRANGE", P0 + "retained", 0, -1) if b.startswith("past/")], [])
        self.assertEqual(self.past.get(f"/api/runs/{run}").json["status"], "expired")
        check_error(self.past.retry(run), 422, "inputs_not_retained")


if __name__ == "__main__":
    unittest.main()
