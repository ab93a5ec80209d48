"""What was acknowledged outlives a power loss, in which everything is lost that no fsync had made safe before."""
import hashlib
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import uuid

from client import Api
from contract import check_run
from history import endings
from persistent import PersistentClient, Tally, at_once, finish, sized, wait_for_acknowledged
from pipelines import BUILT_IN_ONLY, DOCUMENT
from power_loss import Disk
from stack import BIN, P0, FreshStackTest, Stack, wait_for

LOSSES = sized(4, 25)
CLIENTS, BETWEEN = 8, (40, 120)  # runs acknowledged between two losses
SLOW_MS = 15


class PoweredStack(Stack):
    """Redis and API on a disk that loses what was not synced; at last, with `losses_over`, on an ordinary one."""
    disk, losses_over = None, False

    def launch(self, name, argv, directory=None):
        if self.losses_over:
            return super().launch(name, argv, directory)
        if not self.disk:
            (self.dir / "redis/appendonlydir").mkdir()  # by set-up, long before; Redis would not sync its name
            self.disk = Disk(self.dir / "kept", [self.dir / "redis", self.dir / "blobs"], SLOW_MS)
        return super().launch(name, self.disk.under(argv), directory)

    def end_of_power(self):
        """Kills Redis with what it forked, and the API, in any order; answers what was lost with the power."""
        victims = [self.redis_process, self.api]
        random.shuffle(victims)
        for process in victims:
            process.signal(signal.SIGKILL)
        for process in victims:
            process.child.wait()
        for pid in self.mine():
            os.kill(pid, signal.SIGKILL)
        wait_for("nothing is left that writes", lambda: not self.mine())
        return self.disk.lose_power()

    def power_on(self, number):
        self.start_redis()
        self.api = self.launch(f"api-{number}", [BIN / "reprise-api", "serve", "--listen", f"127.0.0.1:{self.port}",
                                                 *self.common("api")])
        self.api.wait_log("serving")


class Document:
    """One of its own for every start, so that its blob is too."""

    def __init__(self):
        self.text = DOCUMENT.replace('"version": "1"', f'"version": "{uuid.uuid4()}"')
        self.sha256 = hashlib.sha256(self.text.encode()).hexdigest()


class PowerLoss(FreshStackTest):
    def setUp(self):
        self.stack = PoweredStack(pipelines=BUILT_IN_ONLY, workers=0, concurrency=16)
        self.addCleanup(self.end_stack, self.stack)
        self.seed, self.key, self.tally = random.randrange(2**32), self.stack.key(), Tally()
        self.lock, self.digests, self.over = threading.Lock(), {}, threading.Event()

    def press(self, index):
        """Starts and retries until it is over."""
        dice, client = random.Random(self.seed + index), PersistentClient([self.stack.port], self.key, self.tally)
        while not self.over.is_set():
            with self.lock:
                known = list(self.digests.items())
            if dice.random() < 0.4 or not known:
                document = Document()
                run, digest = client.start(document.text), document.sha256
            else:
                source, digest = dice.choice(known)
                run = client.retry(source)
            with self.lock:
                self.digests[run] = digest
        client.close()

    def missing(self):
        known = set(self.stack.redis.call("ZRANGE", P0 + "runs:acme", 0, -1))
        return set(self.tally.runs.values()) - known

    def test_nothing_acknowledged_is_lost_however_often_the_power_goes(self):
        dice, losses = random.Random(self.seed), []
        clients = at_once(CLIENTS, self.press)
        for number in range(LOSSES):
            wait_for_acknowledged(self.tally, self.tally.count() + dice.randint(*BETWEEN), clients)
            if number % 2:
                self.stack.redis.call("BGREWRITEAOF")
                time.sleep(dice.uniform(0, 0.1))  # somewhere in the middle of it
            losses.append(self.stack.end_of_power())
            self.stack.losses_over = number == LOSSES - 1
            self.stack.power_on(number + 1)
        wait_for_acknowledged(self.tally, self.tally.count() + BETWEEN[0], clients)
        self.over.set()
        finish(clients, 30)
        print(f"\nseed {self.seed}: power lost {LOSSES} times; un-synced bytes lost: {[lost for lost, _ in losses]}, "
              f"names: {[len(names) for _, names in losses]}; {self.tally}", flush=True)
        self.assertEqual(self.missing(), set(), "acknowledged, and gone")
        self.assertEqual(len(set(self.tally.runs.values())), len(self.tally.runs), "two keys, one run")
        self.assertGreater(sum(lost for lost, _ in losses), 0, "nothing was being written when the power went")
        self.check_every_run_ends_with_its_inputs()

    def check_every_run_ends_with_its_inputs(self):
        self.stack.start_worker()
        wait_for("every run has ended", lambda: self.stack.stats()["queued"] + self.stack.stats()["running"] == 0, 60)
        client, known = Api(self.stack.port, self.key), self.stack.redis.call("ZRANGE", P0 + "runs:acme", 0, -1)
        self.assertEqual(set(known), set(self.digests), "a run that nobody was told of")
        for run in known:
            self.assertEqual(endings(self.stack.run_hash(run)), ["complete"], run)
            answer = client.get(f"/api/artifacts/download?runId={run}&key=input.openapi")
            self.assertEqual((answer.status, hashlib.sha256(answer.body).hexdigest()), (200, self.digests[run]))
        check_run(client.get(f"/api/runs/{run}").json)

    def test_a_redis_that_does_not_sync_loses_what_was_acknowledged(self):
        """That the test above can fail: the same power loss, with the one setting wrong that it is all about."""
        self.stack.redis.call("CONFIG", "SET", "appendfsync", "no")
        clients = at_once(CLIENTS, self.press)
        wait_for_acknowledged(self.tally, BETWEEN[0], clients)
        self.over.set()
        finish(clients, 30)
        lost, names = self.stack.end_of_power()
        self.stack.power_on(1)
        missing = self.missing()
        print(f"\nappendfsync no: {len(missing)} of {self.tally.count()} acknowledged runs lost, {lost} bytes, "
              f"{len(names)} names", flush=True)
        self.assertGreater(len(missing), self.tally.count() / 2)


# Syncs the directory argv[1] eight times, the last time, which takes long, on a thread; meanwhile puts more files there,
# each synced.
TWO_AT_ONCE = """
import os, sys, threading
directory = os.open(sys.argv[1], os.O_RDONLY)
for _ in range(7):
    os.fsync(directory)
slow = threading.Thread(target=os.fsync, args=(directory,))
slow.start()
for number in range(4):
    open(f"{sys.argv[1]}/late-{number}", "w").close()
    os.fsync(directory)
slow.join()
"""


class WhatADiskKnows(unittest.TestCase):
    """Of what programs note while they sync at once and are killed."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root, keep = pathlib.Path(directory.name, "root"), pathlib.Path(directory.name, "kept")
        self.root.mkdir()
        (self.root / "early").write_text("12345", "utf-8")
        self.disk, self.notes = Disk(keep, [self.root], SLOW_MS), keep / "notes"

    def note(self, text):
        with open(self.notes, "a", encoding="utf-8") as notes:
            notes.write("\n\n" + text)

    def test_a_sync_that_began_first_and_ended_last_takes_nothing_back(self):
        self.note(f"D 20 {self.root}\nf 1 early\nf 2 late\n.\n")
        self.note(f"D 10 {self.root}\nf 1 early\n.\n")
        self.note("F 20 1 9\n.\n")
        self.note("F 10 1 12\n.\n")
        self.assertEqual(self.disk.noted()[0]["1"], 9)  # cut to this, after it was longer
        self.assertEqual(self.disk.lose_power(), (5, ["late"]))  # nobody synced what is in these files

    def test_what_is_synced_during_a_long_sync_stays(self):
        subprocess.run(self.disk.under([sys.executable, "-c", TWO_AT_ONCE, self.root]), check=True, timeout=30)
        names = {name for _, _, name in self.disk.noted()[1][str(self.root)]}
        self.assertEqual(names, {"early", "late-0", "late-1", "late-2", "late-3"})

    def test_what_was_gone_when_the_last_sync_began_is_gone(self):
        self.note(f"D 20 {self.root}\n.\n")
        self.assertEqual(self.disk.lose_power(), (5, ["early"]))

    def test_a_note_that_was_cut_off_says_nothing_and_spoils_no_other(self):
        self.note(f"D 20 {self.root}\nf 1 ear")
        self.note(f"D 30 {self.root}\n")
        self.note("F 10 7")
        self.note("F 20 7 77\n.\n")
        self.assertEqual(self.disk.noted()[0]["7"], 77)
        self.assertEqual(self.disk.lose_power(), (0, []))


if __name__ == "__main__":
    unittest.main()
