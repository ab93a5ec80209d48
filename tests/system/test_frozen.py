"""A worker that is frozen far beyond its leases, and thawed: what it then writes is refused and listed, what it had
started was gone long before, and each run has ended once, by another."""
import collections
import os
import pathlib
import signal
import time
import unittest

from contract import check_accepted, check_run
from history import endings, transitions
from persistent import sized
from pipelines import DOCUMENT, NOOP, VERIFY, pipelines, shell
from resp import pairs
from stack import P0, FreshStackTest, wait_for

LEASE = sized(4, 15)  # seconds; the latter is what is shipped
SETTINGS = sized(("--lease", 4000, "--beat", 500, "--sweep", 200), ())
FROZEN = sized(2.5, 4) * LEASE
TAKEN_OVER = LEASE + 5
SLOTS, WAITING = 6, 300


class FrozenWorker(FreshStackTest):
    steps = ()

    def setUp(self):
        self.options = {"pipelines": pipelines(*self.steps), "workers": 0, "concurrency": SLOTS, "settings": SETTINGS}
        super().setUp()
        self.side = self.stack.dir / "side"
        self.stack.pipelines.write_text(self.stack.pipelines.read_text().replace("$0", str(self.side)))
        self.client = self.stack.client()

    def freeze(self, worker):
        worker.signal(signal.SIGSTOP)
        self.frozen_at = time.monotonic()
        wait_for("it is frozen", lambda: state_of(worker.pid) == "T", every=0.001)

    def thaw(self, worker):
        # A plain sleep: that nothing comes of it, for so long, is what is to be shown.
        time.sleep(max(0.0, self.frozen_at + FROZEN - time.monotonic()))
        worker.signal(signal.SIGCONT)
        self.client.close()  # it was idle for too long

    def frozen_for(self):
        return time.monotonic() - self.frozen_at

    def dumps(self, runs):
        return {run: self.stack.run_hash(run) for run in runs}

    def refused(self):
        return [pairs(entry) for _, entry in self.stack.redis.call("XRANGE", P0 + "fenced", "-", "+")]

    def becomes_idle(self, worker):
        """It has given up what it held; answers what is left in its work directory."""
        wait_for("the thawed worker holds nothing", lambda: self.stack.redis.hash("reprise:worker:" + worker.id).get(
            "busy") == "0", LEASE + 5)
        return [run for scratch in (self.stack.dir / "scratch").iterdir() if worker.id in scratch.name
                for run in os.listdir(scratch)]

    def check_refused(self, worker, runs, least=1):
        """Every refusal is counted and says whose write it was, under which epoch, and what stood there by then. A worker that
        is told first that it has lost its runs has nothing left to write."""
        refused = self.refused()
        what = collections.Counter(f"{entry['what']} of a run that is {entry['status']}" for entry in refused)
        print(f"\nfrozen {FROZEN:.0f} s with {len(runs)} runs in hand; refused: {dict(what)}", flush=True)
        self.assertGreaterEqual(len(refused), least, "nothing was written, so nothing was refused")
        self.assertEqual(len(refused), self.stack.stats().get("fenced", 0))
        for entry in refused:
            record = self.stack.run_hash(entry["run"])
            self.assertIn(entry["run"], runs)
            self.assertEqual((entry["worker"], entry["epoch"]), (worker.id, "1"))
            self.assertEqual((entry["current"], entry["status"]), (record["epoch"], record["status"]))
            self.assertGreater(int(entry["current"]), 1)

    def check_ended_once(self, runs, by):
        for run in runs:
            record = self.stack.wait_status(run, "complete", seconds=10)
            *_, last = transitions(record)
            self.assertEqual((endings(record), last.actor, record["lost"]), (["complete"], by.id, "1"), run)
            check_run(self.client.get(f"/api/runs/{run}").json)


class FrozenInCommands(FrozenWorker):
    # Breeds, as generators do, and goes on until there is a file `go`.
    breeds = 'echo $$ >>"$0/long"; setsid sleep 600 & while ! test -e "$0/go"; do sleep 0.1; done'
    steps = (VERIFY, shell("long", breeds, attempts=3), NOOP)

    def begun(self):
        file = self.side / "long"
        return len(file.read_text().splitlines()) if file.exists() else 0

    def test_its_commands_are_gone_before_it_is_thawed_and_its_writes_are_refused(self):
        first = self.stack.start_worker()
        runs = [check_accepted(self.client.start(DOCUMENT), of_retry=False)["run"]["id"] for _ in range(SLOTS)]
        wait_for("every run is in its long step", lambda: self.begun() == SLOTS)
        wait_for("keepers, commands and what those began", lambda: len(self.stack.step_processes()) >= 3 * SLOTS)
        processes = set(self.stack.step_processes())
        self.freeze(first)
        second = self.stack.start_worker()
        wait_for("whatever the frozen worker started is gone", lambda: not any(
            os.path.exists(f"/proc/{pid}") for pid in processes), LEASE + 2)
        gone_after = self.frozen_for()
        wait_for("another worker has all its runs in hand", lambda: self.begun() == 2 * SLOTS, TAKEN_OVER)
        print(f"\nafter the freeze: {len(processes)} processes gone in {gone_after:.1f} s, all runs taken over in "
              f"{self.frozen_for():.1f} s", flush=True)
        self.assertLess(self.frozen_for(), FROZEN)
        before = self.dumps(runs)

        self.thaw(first)
        self.assertEqual(self.becomes_idle(first), [])
        self.check_refused(first, runs)
        self.assertEqual(self.dumps(runs), before, "a run was changed by a worker that had lost it")

        (self.side / "go").touch()
        self.check_ended_once(runs, second)
        self.assertEqual(second.stop(), 0)
        another = check_accepted(self.client.start(DOCUMENT), of_retry=False)["run"]["id"]
        self.assertEqual(self.stack.wait_status(another, "complete")["worker"], first.id)


class FrozenInWrites(FrozenWorker):
    steps = (VERIFY, NOOP, {**NOOP, "name": "noop_again"})

    def freeze_in_the_middle(self, worker):
        """If it can be, while it holds a lock of the blob store, which nobody can take from it; answers its runs."""
        while True:
            self.freeze(worker)
            held = self.stack.redis.call("ZRANGE", P0 + "leases", 0, -1)
            done = self.stack.stats()["complete"]
            if held and (locks_below(self.stack.dir / "blobs", worker.pid) or done > WAITING / 2):
                return held
            self.assertLess(done, WAITING, "it was never frozen with runs in hand")
            worker.signal(signal.SIGCONT)
            time.sleep(0.002)

    def test_a_write_that_the_freeze_interrupted_comes_too_late(self):
        source = check_accepted(self.client.start(DOCUMENT), of_retry=False)["run"]["id"]
        for _ in range(WAITING - 1):
            check_accepted(self.client.retry(source), of_retry=True)
        self.stack.concurrency = 64
        first = self.stack.start_worker()
        wait_for("runs are in hand", lambda: self.stack.stats().get("complete", 0) > 10, every=0.001)
        held = self.freeze_in_the_middle(first)
        self.stack.concurrency = SLOTS
        second = self.stack.start_worker()
        wait_for("every run has ended", lambda: self.stack.stats().get("complete") == WAITING, TAKEN_OVER + 10)
        print(f"\nevery run had ended {self.frozen_for():.1f} s after the freeze; locks held by the frozen worker: "
              f"{locks_below(self.stack.dir / 'blobs', first.pid)}", flush=True)
        before = self.dumps(held)

        self.thaw(first)
        self.assertEqual(self.becomes_idle(first), [])
        self.check_refused(first, held, least=0)
        self.assertLessEqual({entry["what"] for entry in self.refused()}, {"step", "finish", "release"})
        self.assertEqual(self.dumps(held), before, "an ended run was changed by a worker that had lost it")
        self.check_ended_once(held, second)
        stats = self.stack.stats()
        self.assertEqual((stats["complete"], stats["queued"], stats["running"]), (WAITING, 0, 0))


def state_of(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def locks_below(directory, pid):
    """How many files below the directory this process holds a lock of (see flock(2))."""
    lines = [line.split() for line in pathlib.Path("/proc/locks").read_text().splitlines()]
    locked = {int(words[5].rpartition(":")[2]) for words in lines if words[1] == "FLOCK" and words[4] == str(pid)}
    return sum(path.stat().st_ino in locked for path in directory.rglob("*"))


if __name__ == "__main__":
    unittest.main()
