"""Workers that are killed, stopped or told to end, and runs that are canceled: each run goes on or ends, exactly once."""
import os
import signal
import time
import unittest

from contract import check_accepted, check_run
from pipelines import DOCUMENT, NOOP, VERIFY, pipelines, shell
from stack import ENDED, P0, FreshStackTest, wait_for

LEASE = 3
SETTINGS = ("--lease", 3000, "--beat", 400, "--sweep", 200, "--log", "debug")
# `long` says that it has begun, and goes on until there is a file `go`; it breeds, as generators do.
STEPS = pipelines(
    VERIFY, shell("short", 'echo x >>"$0/short"; echo made >a', artifacts=[{"key": "a.txt", "path": "a"}]),
    shell("long", 'echo $$ >>"$0/long"; setsid sleep 600 & while ! test -e "$0/go"; do sleep 0.05; done', attempts=3), NOOP)


class RecoveryTest(FreshStackTest):
    workers, settings = 2, SETTINGS

    def setUp(self):
        self.options = {"pipelines": STEPS, "workers": 0, "concurrency": 1, "settings": self.settings}
        super().setUp()
        self.side = self.stack.dir / "side"
        text = self.stack.pipelines.read_text().replace("$0", str(self.side))
        self.stack.pipelines.write_text(text)
        for _ in range(self.workers):
            self.stack.start_worker()
        self.client = self.stack.client()

    def lines(self, name):
        file = self.side / name
        return file.read_text().splitlines() if file.exists() else []

    def go(self):
        (self.side / "go").touch()

    def start(self):
        return check_accepted(self.client.start(DOCUMENT), of_retry=False)["run"]["id"]

    def start_long(self):
        """A run in the middle of its long step, and the worker that has it."""
        run, before = self.start(), len(self.lines("long"))
        wait_for("the long step has begun", lambda: len(self.lines("long")) > before)
        self.stack.wait_status(run, "running")
        wait_for("its keeper, its command, and what that began", lambda: len(self.stack.step_processes()) > 2)
        return run, self.worker_of(run)

    def worker_of(self, run):
        name = self.stack.run_hash(run)["worker"]
        return next(w for w in self.stack.workers if w.id == name)

    def ends_well(self, run, within, retried=1):
        began = time.monotonic()
        record = self.stack.wait_status(run, "complete", seconds=within)
        self.took = time.monotonic() - began
        seen = self.client.get(f"/api/runs/{run}").json
        check_run(seen)
        self.assertEqual([s["status"] for s in seen["steps"]], ["completed"] * 4)
        self.assertEqual(self.lines("short"), ["x"], "a finished step ran again")
        self.assertEqual(len(self.lines("long")), 1 + retried)
        self.assertEqual([a["key"] for a in seen["artifactManifest"]["artifacts"] if a["key"] == "a.txt"], ["a.txt"])
        self.ended_once(run)
        return record, seen

    def ended_once(self, run):
        events = [dict(zip(e[1][::2], e[1][1::2])) for e in self.stack.redis.call("XRANGE", P0 + "events", "-", "+")]
        mine = [e for e in events if e["run"] == run]
        ends = [e["type"] for e in mine if e["type"] in {"run." + status for status in ENDED}]
        self.assertEqual(len(ends), 1, ends)
        self.assertEqual(mine[-1]["type"], ends[0], "something happened after the end")
        self.assertEqual([int(e["seq"]) for e in mine], list(range(1, len(mine) + 1)))
        stats = self.stack.stats()
        self.assertEqual((stats["queued"], stats["running"]), (0, 0))
        for key in ("leases", "queued", "delayed"):
            self.assertEqual(self.stack.redis.call("ZCARD", P0 + key), 0)
        for stream in ("default", "again"):
            self.assertEqual(self.stack.redis.call("XPENDING", f"{P0}queue:{stream}", "workers")[0], 0)

    def no_step_process(self, within):
        wait_for("every process of the step is gone", lambda: not self.stack.step_processes(), within)


class Killed(RecoveryTest):
    def test_a_killed_workers_run_is_taken_over_at_the_first_step_that_is_not_done(self):
        run, first = self.start_long()
        self.stack.kill_worker(first)
        self.no_step_process(1)
        self.go()
        record, seen = self.ends_well(run, LEASE + 4)
        self.assertNotEqual(record["worker"], first.id)
        self.assertEqual((record["lost"], seen["steps"][1]["attempt"], seen["steps"][2]["attempt"]), ("1", 1, 2))

    def test_a_killed_workers_run_waits_when_there_is_no_other_worker(self):
        run, first = self.start_long()
        second = next(w for w in self.stack.workers if w is not first)
        self.assertEqual(second.stop(), 0)
        self.stack.kill_worker(first)
        record = self.stack.wait_status(run, "queued", seconds=LEASE + 4)  # the API sweeps too
        self.assertEqual((record["where"], record["stream"]), ("stream", "again"))
        wait_for("the API misses the workers", lambda: self.client.get(f"/api/runs/{run}").json["verdict"] == "needs_worker", 5)
        self.go()
        self.stack.start_worker()
        self.ends_well(run, 5)

    def test_a_run_that_costs_three_workers_their_lives_is_given_up(self):
        run, worker = self.start_long()
        for lost in (1, 2, 3):
            self.stack.kill_worker(worker)
            self.stack.workers.remove(worker)
            self.no_step_process(1)
            if lost == 3:
                break
            self.stack.start_worker()
            wait_for("the step has begun again", lambda n=lost: len(self.lines("long")) > n, LEASE + 5)
            worker = self.worker_of(run)
        self.stack.wait_status(run, "failed", seconds=LEASE + 4)
        seen = self.client.get(f"/api/runs/{run}").json
        check_run(seen)
        dead = self.stack.redis.call("XRANGE", P0 + "dead", "-", "+")
        self.assertEqual(len(dead), 1)
        self.assertIn("poison_run", dead[0][1])
        self.ended_once(run)
        self.go()
        other = self.start()
        self.stack.wait_status(other, "complete")

    def test_a_redis_that_is_killed_comes_back_with_every_run(self):
        run, _ = self.start_long()
        waiting = self.start(), self.start()
        wait_for("the other worker is busy too", lambda: len(self.lines("long")) == 2)
        self.stack.redis_process.kill()
        answer = self.client.start(DOCUMENT)
        self.assertEqual(answer.status, 503, answer)
        self.assertEqual(answer.json["error"], "redis_unavailable")
        self.assertEqual(self.client.get("/livez").status, 200)
        os.unlink(self.stack.socket)
        self.stack.start_redis()
        self.go()
        for one in (run, *waiting):
            self.stack.wait_status(one, "complete", seconds=LEASE + 12)
        self.assertEqual(len(self.stack.redis.call("ZRANGE", P0 + "runs:acme", 0, -1)), 3)


class Drained(RecoveryTest):
    def test_term_lets_the_run_in_hand_finish_and_takes_no_other(self):
        run, first = self.start_long()
        first.signal(signal.SIGTERM)
        first.wait_log("draining")
        other, second = self.start_long()
        self.assertIsNot(first, second)
        waiting = self.start()
        time.sleep(2 * LEASE)  # the draining worker must go on extending its lease
        self.assertEqual(self.stack.run_hash(waiting)["status"], "queued")
        self.go()
        for one, by in ((run, first), (other, second), (waiting, second)):
            record = self.stack.wait_status(one, "complete", seconds=5)
            self.assertEqual((record["worker"], record.get("lost", "0")), (by.id, "0"))
        self.assertEqual(first.child.wait(5), 0)
        self.assertEqual(self.stack.redis.call("EXISTS", "reprise:worker:" + first.id), 0)

    def handed_back(self, run, first):
        record = self.stack.wait_status(run, "queued", "running", seconds=3)
        self.assertEqual(first.child.wait(5), 0)
        wait_for("the other worker has begun", lambda: len(self.lines("long")) == 2, 3)
        self.go()
        record, seen = self.ends_well(run, 5)
        self.assertNotEqual(record["worker"], first.id)
        self.assertEqual(record.get("lost", "0"), "0")
        self.assertEqual([s["attempt"] for s in seen["steps"]], [1, 1, 1, 1], "handing back used up an attempt")

    def test_a_second_term_hands_the_run_back_at_once(self):
        run, first = self.start_long()
        first.signal(signal.SIGTERM)
        first.wait_log("draining")
        first.signal(signal.SIGTERM)
        self.handed_back(run, first)

    def test_a_run_that_outlasts_the_drain_is_handed_back(self):
        for worker in self.stack.workers:
            self.assertEqual(worker.stop(), 0)
        self.stack.workers.clear()
        self.stack.start_worker("--drain", "1")
        run, first = self.start_long()
        self.stack.start_worker()
        first.signal(signal.SIGTERM)
        self.handed_back(run, first)

    def test_tstp_finishes_what_is_in_hand_and_takes_nothing_more(self):
        run, first = self.start_long()
        for worker in self.stack.workers:
            worker.signal(signal.SIGTSTP)
            worker.wait_log("quiet")
        waiting = self.start()
        self.go()
        self.stack.wait_status(run, "complete", seconds=5)
        time.sleep(1.5)
        self.assertEqual(self.stack.run_hash(waiting)["status"], "queued")
        self.assertTrue(first.alive())
        self.stack.start_worker()
        self.stack.wait_status(waiting, "complete", seconds=5)


class Canceled(RecoveryTest):
    workers = 1

    def test_a_canceled_run_ends_at_once_and_its_processes_within_two_seconds(self):
        run, worker = self.start_long()
        answer = self.client.post(f"/api/runs/{run}/cancel", {"reason": "enough"})
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual((answer.json["run"]["status"], answer.json["run"]["verdict"]), ("canceled", "canceled"))
        check_run(answer.json["run"])
        self.no_step_process(2)
        self.go()
        other = self.start()
        self.assertEqual(self.stack.wait_status(other, "complete", seconds=5)["worker"], worker.id)
        self.assertEqual(self.stack.run_hash(run)["status"], "canceled")
        self.ended_once(run)
        self.assertEqual(self.stack.stats().get("fenced", 0), 0, "a refusal because of a cancel counts as such")
        self.assertEqual(self.client.get(f"/api/artifacts/download?runId={run}&key=a.txt").status, 200)


class CanceledBetweenBeats(RecoveryTest):
    """With the beats that are shipped, of which there is one in 5 s: the light check of each second tells of it."""
    workers, settings = 1, ()

    def test_every_process_of_a_canceled_runs_step_is_gone_within_two_seconds(self):
        run, _ = self.start_long()
        wait_for("it has bred", lambda: len(self.stack.step_processes()) >= 3)
        canceled = self.client.post(f"/api/runs/{run}/cancel")
        self.assertEqual((canceled.status, canceled.json["run"]["status"]), (200, "canceled"))
        wait_for("its processes are gone", lambda: not self.stack.step_processes(), 2.5)


class Stopped(RecoveryTest):
    def test_a_worker_that_slept_past_its_lease_is_refused_and_the_run_ends_once(self):
        run, first = self.start_long()
        first.signal(signal.SIGSTOP)
        began = time.monotonic()
        command = self.lines("long")[0]
        wait_for("the sleeping worker's step is ended by its keeper", lambda: not os.path.exists("/proc/" + command), LEASE + 1)
        wait_for("the other worker has begun", lambda: len(self.lines("long")) == 2, LEASE + 5)
        self.assertLess(time.monotonic() - began, LEASE + 5)
        record = self.stack.run_hash(run)
        self.assertEqual((record["status"], record["lost"]), ("running", "1"))
        first.signal(signal.SIGCONT)
        wait_for("the first worker's write is refused, or it notices before",
                 lambda: self.stack.stats().get("fenced", 0) >= 1 or '"run_lost"' in first.log_text(), 4)
        self.assertEqual(self.stack.run_hash(run)["status"], "running")
        self.go()
        record, _ = self.ends_well(run, 5)
        self.assertNotEqual(record["worker"], first.id)
        self.assertTrue(first.alive())
        wait_for("the first worker is idle", lambda: self.stack.redis.hash("reprise:worker:" + first.id).get("busy") == "0", 4)
        again = [self.start(), self.start(), self.start()]
        for one in again:
            self.stack.wait_status(one, "complete", seconds=5)

    def test_a_worker_that_slept_until_the_run_had_ended_changes_nothing(self):
        run, first = self.start_long()
        first.signal(signal.SIGSTOP)
        self.go()
        record, _ = self.ends_well(run, LEASE + 5)
        before = self.stack.run_hash(run)
        first.signal(signal.SIGCONT)
        wait_for("the first worker is idle", lambda: self.stack.redis.hash("reprise:worker:" + first.id).get("busy") == "0", 5)
        self.assertEqual(self.stack.run_hash(run), before)
        self.ended_once(run)
        self.assertEqual(record["lost"], "1")


if __name__ == "__main__":
    unittest.main()
