"""What a queued run is told that it waits for, when it is others."""
import unittest

from pipelines import DOCUMENT, VERIFY, pipelines, shell
from process import wait_for
from stack import P0, StackTest

NEEDS_FILE = shell("wait", 'until test -e "$0/go"; do sleep 0.02; done', timeoutSeconds=60)


class Waits(StackTest):
    """One slot, taken by a run that waits for a file."""
    options = {"pipelines": pipelines(VERIFY, NEEDS_FILE), "workers": 0, "concurrency": 1}

    @classmethod
    def prepare(cls):
        cls.side = cls.stack.dir / "side"
        cls.stack.pipelines.write_text(cls.stack.pipelines.read_text().replace("$0", str(cls.side)))
        cls.worker = cls.stack.start_worker()
        cls.ops = cls.stack.client("*", "ops:read,ops:write")

    def waiting_at_its_step(self, run):
        wait_for("it waits at its step", lambda: self.stack.run_hash(run).get("current") == "wait"
                 and self.stack.run_hash(run)["status"] == "running")

    def stop(self, worker):
        self.assertEqual(self.ops.post(f"/api/workers/{worker.id}/stop").status, 202)
        self.assertEqual(worker.child.wait(30), 0)

    def told(self, runs):
        answers = [self.ops.get(f"/api/runs/{run}/explain").json for run in runs]
        return [(t["reason"], t.get("ahead")) for t in answers]

    def test_a_canceled_run_is_not_before_another(self):
        client = self.stack.client()
        runs = [client.start(DOCUMENT).json["run"]["id"] for _ in range(5)]
        self.waiting_at_its_step(runs[0])
        for run in runs[1:3]:  # their tickets stay until a worker meets them
            self.assertEqual(client.post(f"/api/runs/{run}/cancel").status, 200)
        self.assertEqual(self.told(runs[3:]), [("slots_busy", 0), ("behind", 1)])
        for run in (*runs[3:], runs[0]):
            client.post(f"/api/runs/{run}/cancel")
        wait_for("its slot is free", lambda: self.ops.get("/api/workers").json["workers"][0]["busy"] == 0)

    def test_a_held_run_has_lost_its_place_when_it_is_resumed(self):
        client = self.stack.client()

        def start(project):
            return client.start(DOCUMENT, projectName=project).json["run"]["id"]
        busy = start("free")
        self.waiting_at_its_step(busy)
        idle, held = self.stack.start_worker(), None
        first = start("held")
        project = client.get(f"/api/runs/{first}").json["projectId"]
        client.post(f"/api/runs/{first}/cancel")
        self.ops.post("/api/queue/pause", {"projectId": project})
        held = start("held")
        wait_for("its ticket is met", lambda: self.stack.run_hash(held)["where"] == "held" and self.stack.stats().get("ghosts", 0) == 0)
        self.ops.post(f"/api/workers/{idle.id}/quiet")
        wait_for("it takes nothing", lambda: "quiet" in [w["state"] for w in self.ops.get("/api/workers").json["workers"]])
        others = [start("free") for _ in range(2)]
        self.ops.post("/api/queue/resume", {"projectId": project})
        self.assertEqual(self.told([*others, held]), [("slots_busy", 0), ("behind", 1), ("behind", 2)])
        for run in (held, *others, busy):
            client.post(f"/api/runs/{run}/cancel")
        self.stop(idle)
        wait_for("its slot is free", lambda: [w["busy"] for w in self.ops.get("/api/workers").json["workers"]] == [0])

    def test_a_queued_run_knows_what_is_before_it(self):
        client = self.stack.client()
        runs = [client.start(DOCUMENT).json["run"]["id"] for _ in range(4)]
        self.waiting_at_its_step(runs[0])
        self.assertEqual(self.told(runs), [("running", None), ("slots_busy", 0), ("behind", 1), ("behind", 2)])
        wait_for("the registry has it", lambda: self.ops.get("/api/workers").json["workers"][0]["runs"]
                 == [{"run": runs[0], "step": "wait"}])
        self.stop(self.worker)
        self.assertEqual(self.stack.run_hash(runs[0])["status"], "queued")
        self.assertEqual(self.stack.redis.call("ZCARD", P0 + "leases"), 0)

        # What was handed back was queued last, and is taken first.
        self.stack.start_worker()
        self.waiting_at_its_step(runs[0])
        another = self.stack.start_worker()
        self.waiting_at_its_step(runs[1])
        self.stop(another)
        self.assertEqual(self.told(runs), [("running", None), ("slots_busy", 0), ("behind", 1), ("behind", 2)])
        (self.side / "go").touch()
        for run in runs:
            self.stack.wait_status(run, "complete")


if __name__ == "__main__":
    unittest.main()
