"""`reprise-api doctor` finds what hands from outside, a lost disk or an old copy have put out of order, repairs what follows
from the runs' own records, and finds nothing in a system at work."""
import json
import shutil
import signal
import subprocess
import unittest

from contract import check_accepted
from pipelines import BUILT_IN_ONLY, DOCUMENT, NOOP, VERIFY, pipelines, shell
from stack import BIN, ENDED, P0, FreshStackTest, wait_for

DEFAULT = P0 + "queue:default"
LONG = pipelines(VERIFY, shell("long", 'while ! test -e "$0/go"; do sleep 0.05; done'), NOOP)
NO_LEASE_ENDS = ("--lease", 60000, "--sweep", 200)


class DoctorTest(FreshStackTest):
    def doctor(self, *words):
        done = subprocess.run([BIN / "reprise-api", "doctor", "--json", *words, *self.stack.common("admin")], cwd=self.stack.dir,
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        said = json.loads(done.stdout)
        self.assertEqual(said["ok"], done.returncode == 0)
        return said

    def findings(self, *words):
        return sorted((f["kind"], f["subject"]) for f in self.doctor(*words)["findings"])

    def healthy(self):
        said = self.doctor("--digests")
        self.assertEqual((said["ok"], said["findings"], said["notes"]), (True, [], []))
        return said

    def finds_and_repairs(self, *expected):
        self.assertEqual(self.findings(), sorted(expected))
        said = self.doctor("--repair")
        self.assertTrue(said["ok"] and all(f["repaired"] for f in said["findings"]), said)
        self.healthy()

    def start(self):
        return check_accepted(self.client.start(DOCUMENT), of_retry=False)["run"]["id"]

    def ended(self, *runs):
        for run in runs:
            self.stack.wait_status(run, "complete")


class Waiting(DoctorTest):
    """Nothing claims until a worker is started at the end, which then works on everything."""
    options = {"pipelines": BUILT_IN_ONLY, "workers": 0, "settings": NO_LEASE_ENDS}

    def setUp(self):
        super().setUp()
        self.client = self.stack.client()
        self.run_id, self.other = self.start(), self.start()
        self.healthy()

    def works(self):
        self.stack.start_worker()
        self.ended(self.run_id, self.other)
        self.healthy()

    def test_a_ticket_that_somebody_else_has_read_is_issued_anew(self):
        self.stack.redis.call("XREADGROUP", "GROUP", "workers", "somebody", "COUNT", 1, "STREAMS", DEFAULT, ">")
        ticket = self.stack.run_hash(self.run_id)["ticket"]
        self.finds_and_repairs(("ticket_lost", self.run_id), ("pending_without_run", ticket))
        self.works()

    def test_a_ticket_that_was_read_and_dropped_with_its_consumer_is_issued_anew(self):
        self.stack.redis.call("XREADGROUP", "GROUP", "workers", "somebody", "COUNT", 1, "STREAMS", DEFAULT, ">")
        self.stack.redis.call("XGROUP", "DELCONSUMER", DEFAULT, "workers", "somebody")
        self.finds_and_repairs(("ticket_lost", self.run_id))
        self.works()

    def test_entries_that_were_removed_come_back(self):
        project = self.stack.run_hash(self.run_id)["project"]
        for index in ("queued", "runs:acme", f"runs:acme:{project}"):
            self.stack.redis.call("ZREM", P0 + index, self.run_id)
        self.assertEqual(self.findings(), sorted([("missing_entry", self.run_id)] * 3 + [("counter_wrong", P0 + "stats")]))
        self.assertTrue(self.doctor("--repair")["ok"])
        self.healthy()
        self.works()

    def test_entries_that_lead_nowhere_go(self):
        nobody = self.run_id[:-4] + "0000"
        for zset in ("leases", "blocked", "ended", "runs:acme"):
            self.stack.redis.call("ZADD", P0 + zset, 9e12, nobody)
        self.stack.redis.call("ZADD", P0 + "delayed", 9e12, self.run_id)
        found = self.findings()
        self.assertEqual(found.count(("entry_without_run", nobody)), 4)
        self.assertIn(("stray_entry", self.run_id), found)
        self.assertTrue(self.doctor("--repair")["ok"])
        self.healthy()
        self.works()

    def test_a_run_whose_record_is_gone_leaves_nothing_that_names_it(self):
        self.stack.redis.call("DEL", f"{P0}run:{self.run_id}")
        self.assertEqual(set(self.findings()), {("entry_without_run", self.run_id), ("counter_wrong", P0 + "stats")})
        self.assertTrue(self.doctor("--repair")["ok"])  # its ticket is a ghost now
        self.run_id = self.other
        self.works()

    def test_wrong_counters_are_counted_anew(self):
        for field in ("queued", "ghosts", "ready", "canceled"):
            self.stack.redis.call("HINCRBY", P0 + "stats", field, 7)
        self.finds_and_repairs(*[("counter_wrong", P0 + "stats")] * 4)
        self.works()

    def test_inputs_of_a_waiting_run_are_held_again(self):
        member = self.stack.redis.call("ZRANGE", P0 + "retained", 0, -1)[0]
        self.stack.redis.call("ZREM", P0 + "retained", member)
        self.finds_and_repairs(("blob_not_held", self.run_id), ("blob_not_held", self.other))
        self.works()

    def test_a_blob_that_is_gone_or_changed_is_reported_and_cannot_be_repaired(self):
        blob = next(f for f in (self.stack.dir / "blobs/acme").rglob("*") if f.is_file() and len(f.name) == 64)
        text = blob.read_bytes()
        blob.write_bytes(text.replace(b"Small", b"Smell"))
        self.assertEqual(self.findings(), [])
        said = self.doctor("--digests", "--repair")
        self.assertEqual([(f["kind"], f["repaired"]) for f in said["findings"]], [("blob_corrupt", False)])
        blob.unlink()
        self.assertEqual([kind for kind, _ in self.findings("--repair")], ["blob_missing"])
        blob.write_bytes(text)
        self.works()

    def test_a_record_that_makes_no_sense_is_reported_and_harms_nobody(self):
        self.stack.redis.call("HSET", f"{P0}run:{self.run_id}", "status", "odd", "epoch", "many")
        self.assertIn(("broken_record", self.run_id), self.findings("--repair"))
        self.stack.start_worker()
        self.ended(self.other, self.start())
        self.assertEqual(self.client.get(f"/api/runs/{self.run_id}").status, 500)
        self.stack.redis.call("DEL", f"{P0}run:{self.run_id}")
        self.doctor("--repair")

    def end_stack(self, stack):
        wrong = [line for line in stack.close() if "request_failed" not in line or "unknown status" not in line]
        self.assertEqual(wrong, [])


class Working(DoctorTest):
    options = {"pipelines": LONG, "workers": 0, "settings": NO_LEASE_ENDS}

    def setUp(self):
        super().setUp()
        side = self.stack.dir / "side"
        self.stack.pipelines.write_text(self.stack.pipelines.read_text().replace("$0", str(side)))
        self.go = side / "go"
        self.worker = self.stack.start_worker()
        self.client = self.stack.client()
        self.run_id = self.start()
        self.stack.wait_status(self.run_id, "running")

    def works(self):
        self.go.touch()
        self.ended(self.run_id)
        self.healthy()

    def test_a_running_run_whose_ticket_somebody_acknowledged_ends_as_if_nothing_was(self):
        ticket = self.stack.run_hash(self.run_id)["ticket"]
        self.stack.redis.call("XACK", DEFAULT, "workers", ticket)
        self.finds_and_repairs(("ticket_not_pending", self.run_id))
        self.works()

    def test_a_consumer_that_somebody_deleted_comes_back(self):
        self.stack.redis.call("XGROUP", "DELCONSUMER", DEFAULT, "workers", self.worker.id)
        self.finds_and_repairs(("ticket_not_pending", self.run_id))
        self.works()

    def test_a_lease_that_somebody_removed_comes_back_and_the_run_goes_on_elsewhere(self):
        self.stack.redis.call("ZREM", P0 + "leases", self.run_id)
        self.assertEqual(set(self.findings()), {("missing_entry", self.run_id), ("counter_wrong", P0 + "stats")})
        self.assertTrue(self.doctor("--repair")["ok"])
        self.stack.wait_status(self.run_id, "queued", "running")
        self.works()

    def test_an_older_copy_of_redis_is_put_back(self):
        later, copy = self.start(), self.stack.dir / "copy"
        redis_dir = self.stack.dir / "redis"
        shutil.copytree(redis_dir / "appendonlydir", copy)
        lost = self.start()  # accepted after the copy: the copy does not know it
        self.go.touch()
        self.ended(self.run_id, later, lost)
        self.stack.redis_process.kill()
        shutil.rmtree(redis_dir / "appendonlydir")
        shutil.copytree(copy, redis_dir / "appendonlydir")
        (redis_dir / "s").unlink()
        self.stack.start_redis()
        self.assertEqual(self.client.get(f"/api/runs/{lost}").status, 404)
        self.worker.signal(signal.SIGTERM)  # what it remembers is not of this Redis any more; any worker will do
        self.stack.redis.call("ZADD", P0 + "leases", "XX", 1, self.run_id, 1, later)
        self.stack.start_worker()
        self.ended(self.run_id, later)
        self.doctor("--repair")
        self.healthy()

    def test_a_system_at_work_has_nothing_wrong(self):
        self.go.touch()
        for _ in range(3):
            self.stack.start_worker()
        runs = []
        for round_ in range(6):
            runs += [check_accepted(self.client.start(DOCUMENT), of_retry=False)["run"]["id"] for _ in range(20)]
            self.client.post(f"/api/runs/{runs[-1]}/cancel")
            self.assertEqual(self.findings(), [], f"round {round_}")
        wait_for("every run has ended", lambda: all(self.stack.run_hash(r)["status"] in ENDED for r in runs), 30)
        self.assertEqual(self.healthy()["runs"], 1 + len(runs))


if __name__ == "__main__":
    unittest.main()
