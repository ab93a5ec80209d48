"""Many workers, of which some are killed: the registry, `explain` and `scale` tell the truth within a lease of 15 s."""
import os
import signal
import time
import unittest

from contract import check_accepted
from pipelines import DOCUMENT, VERIFY, pipelines, shell
from process import wait_for
from stack import StackTest
from watching import resident

WORKERS, KILLED = 100, 30
BUSY_KILLED = KILLED // 3     # of those killed; their runs are queued again
IN_HAND = WORKERS - KILLED + BUSY_KILLED
PROMISED = 15.0               # seconds after the kill: the lease that is shipped
WAITS = shell("wait", ': <"$0/gate"', timeoutSeconds=300)  # for whoever opens it to write, and costs nothing meanwhile


class Fleet(StackTest):
    """Settings as they are shipped."""
    options = {"pipelines": pipelines(VERIFY, WAITS), "workers": 0, "concurrency": 1}

    @classmethod
    def prepare(cls):
        side = cls.stack.dir / "side"
        os.mkfifo(side / "gate")
        cls.stack.pipelines.write_text(cls.stack.pipelines.read_text().replace("$0", str(side)))
        cls.ops, cls.client = cls.stack.client("*", "ops:read"), cls.stack.client()
        began = time.monotonic()
        cls.stack.start_workers(WORKERS)
        print(f"{WORKERS} workers within {time.monotonic() - began:.1f} s, the largest with "
              f"{max(map(resident, cls.stack.workers)) >> 20} MiB")
        cls.addClassCleanup(cls.end_fleet, os.open(side / "gate", os.O_RDONLY | os.O_NONBLOCK), side / "gate")

    @classmethod
    def end_fleet(cls, reader, gate):
        """All runs end; then all workers, at once and not one after the other."""
        writer = os.open(gate, os.O_WRONLY)
        try:
            wait_for("all runs have ended", lambda: not any(cls.stack.stats().get(s) for s in ("queued", "running")), 60)
        finally:
            os.close(writer)
            os.close(reader)
            alive = [worker for worker in cls.stack.workers if worker.alive()]
            for worker in alive:
                worker.signal(signal.SIGTERM)
            for worker in alive:
                worker.child.wait(30)

    def start(self):
        return check_accepted(self.client.start(DOCUMENT), of_retry=False)["run"]["id"]

    def totals(self):
        return self.ops.get("/api/workers").json["totals"]

    def inputs(self):
        return self.ops.get("/api/scale").json["inputs"]

    def explain(self, run):
        return self.ops.get(f"/api/runs/{run}/explain").json

    def test_who_was_killed_is_known_within_a_lease(self):
        self.assertEqual({k: self.totals()[k] for k in ("live", "lost", "slots")}, {"live": WORKERS, "lost": 0, "slots": WORKERS})
        runs = [self.start() for _ in range(IN_HAND)]
        for run in runs:
            self.stack.wait_status(run, "running")
        wait_for("the registry has all runs in hand", lambda: self.totals()["busy"] == IN_HAND)
        entries = self.ops.get("/api/workers").json["workers"]
        self.assertEqual(sorted(r["run"] for w in entries for r in w["runs"]), sorted(runs))
        self.assertEqual({w["pid"]: w["id"] for w in entries}, {w.pid: w.id for w in self.stack.workers})

        idle = [w["id"] for w in entries if not w["runs"]]
        self.assertEqual(len(idle), KILLED - BUSY_KILLED)
        gone = set(idle + [w["id"] for w in entries if w["runs"]][:BUSY_KILLED])
        given_up = {r["run"] for w in entries if w["id"] in gone for r in w["runs"]}
        # Before the kill: nothing that is told afterwards would have been told anyway.
        self.assertEqual((self.inputs()["liveWorkers"], self.inputs()["running"]), (WORKERS, IN_HAND))

        killed = time.monotonic()
        for worker in self.stack.workers:
            if worker.id in gone:
                self.stack.killed.add(worker)
                worker.signal(signal.SIGKILL)
        waiting = self.start()
        left = WORKERS - KILLED

        def within(what, condition, more=0.0):
            wait_for(f"{what} (of {WORKERS}, {KILLED} killed)", condition, max(0.0, killed + PROMISED + more - time.monotonic()), 0.1)
            told = time.monotonic() - killed
            self.assertLess(told, PROMISED + more, what)
            print(f"{what}: {told:.1f} s after the kill")

        within("the registry", lambda: (self.totals()["live"], self.totals()["lost"]) == (left, KILLED))
        within("scale", lambda: self.inputs()["liveWorkers"] == left)
        within("explain", lambda: self.explain(waiting)["reason"] in ("slots_busy", "behind"))
        entries = self.ops.get("/api/workers").json["workers"]
        self.assertEqual({w["id"] for w in entries if w["state"] == "lost"}, gone)
        self.assertEqual((self.totals()["slots"], self.totals()["busy"]), (left, left))
        within("the overview", lambda: self.ops.get("/api/overview").json["workers"] == {"live": left, "slots": left, "busy": left}, 1)

        # Leases end as late as the entries do, and the next sweep sees it.
        within("what they had in hand", lambda: {self.stack.run_hash(run)["status"] for run in given_up} == {"queued"}, 2)
        self.assertEqual((self.inputs()["running"], self.inputs()["waiting"]), (left, len(given_up) + 1))
        scale = self.ops.get("/api/scale").json
        self.assertGreater(scale["workers"], left, scale)
        for run in (*given_up, waiting):
            self.assertIn(self.explain(run)["reason"], ("slots_busy", "behind"), run)
        for run in set(runs) - given_up:
            self.assertEqual(self.explain(run)["reason"], "running", run)


if __name__ == "__main__":
    unittest.main()
