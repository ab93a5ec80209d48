"""What an attacker, an accident or an operator's hand may leave behind: odd sources, blobs, tickets and times."""
import fcntl
import json
import os
import time
import unittest

from contract import check_accepted, check_error, check_run, time_of
from pipelines import DOCUMENT
from retrying import RetryTest, another_id
from stack import P0, FreshStackTest, wait_for
from unharmed import BadInputTest

FAR = 253_402_300_799_000  # the last second of the year 9999, in ms
HOUR = 3_600_000


class Sources(RetryTest):
    options = {**RetryTest.options, "workers": 0}

    def test_a_used_up_quota_is_said_and_makes_no_run(self):
        self.stack.admin("orgs", "set", self.org, "--runs-per-month", "1")
        source = self.start()
        answer, message = self.refused(402, "quota_exceeded", source)
        self.assertIn("quota", message.lower() + answer.json["error"])

    def test_a_retry_of_what_has_not_ended_is_another_run_with_a_lease_of_its_own(self):
        source = self.start()
        again = check_accepted(self.client.retry(source), of_retry=True)["run"]["id"]
        for _ in range(2):
            self.stack.start_worker()
        for run in (source, again):
            history = self.stack.wait_status(run, "complete")["history"]
            self.assertEqual(history.count(" running "), 1, history)
        for worker in self.stack.workers:
            self.assertEqual(worker.stop(), 0)
        self.stack.workers.clear()

    def test_a_run_that_retained_nothing_cannot_be_retried(self):
        source = self.start()
        self.stack.redis.call("HSET", f"{P0}run:{source}", "inputs", "{}")
        self.refused(422, "inputs_not_retained", source)

    def test_fifty_one_retries_of_retries_are_one_line(self):
        run = root = self.start()
        for number in range(1, 52):
            body = check_accepted(self.client.retry(run), of_retry=True)
            lineage = body["run"]["inputSummary"]["lineage"]
            self.assertEqual(lineage, {"retryOf": run, "rootRun": root, "retryNumber": number})
            run = body["run"]["id"]
        self.assertEqual(len([p for p in self.blob().parent.iterdir() if len(p.name) == 64]), 1)

    def test_what_is_accepted_is_held_for_as_long_as_it_may_wait(self):
        source = self.start()
        index, member = P0 + "retained", f"{self.org}/{self.blob().name}"
        soon = int(time.time() * 1000) + 2000
        self.stack.redis.call("ZADD", index, soon, member)
        check_accepted(self.client.retry(source), of_retry=True)
        self.assertGreater(int(self.stack.redis.call("ZSCORE", index, member)), soon + 24 * HOUR)

    def test_a_store_that_cannot_be_looked_at_is_an_outage_and_no_loss(self):
        source = self.start()
        directory, away = self.blob().parent, self.stack.dir / "side/away"
        directory.rename(away)
        directory.symlink_to(directory)  # looking into it is an error, whoever looks
        try:
            answer, _ = self.refused(503, "storage_unavailable", source)
            self.assertIn("Retry-After", answer.headers)
        finally:
            directory.unlink()
            away.rename(directory)
        self.assertEqual(self.client.retry(source).status, 202)

    def test_a_store_that_is_slow_is_waited_for_and_then_given_up(self):
        """It is as slow as it can be: somebody else holds the lock under which a new blob is written."""
        source = self.start()
        descriptor = os.open(self.blob().parent, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self.assertEqual(self.client.retry(source).status, 202, "a retry writes nothing")
            began = time.monotonic()
            answer = self.client.start(self.text)
            check_error(answer, 503, "storage_unavailable")
            self.assertIn("Retry-After", answer.headers)
            self.assertLess(time.monotonic() - began, 10)
        finally:
            os.close(descriptor)
        self.assertEqual(self.client.start(self.text).status, 202)


class Blobs(RetryTest):
    """What can stand in a blob's place, before a retry and between its acceptance and its run."""

    def become(self, what):
        blob = self.blob()
        text = blob.read_bytes()
        blob.unlink()
        if what == "a directory":
            blob.mkdir()
        elif what == "a pipe":
            os.mkfifo(blob)
        elif what == "a link to itself":
            blob.symlink_to(blob)
        elif what == "a link to the right bytes":
            (self.stack.dir / "side/bytes").write_bytes(text)
            blob.symlink_to(self.stack.dir / "side/bytes")
        elif what == "a link to a device":
            blob.symlink_to("/dev/zero")
        elif what != "nothing":
            blob.write_bytes({"empty": b"", "shorter": text[:-1], "longer": text + b" ",
                              "other bytes": text.replace(b"Small", b"Smell")}[what])

    ABSENT = ("nothing", "empty", "shorter", "longer", "a directory", "a pipe", "a link to itself",
              "a link to the right bytes", "a link to a device")

    def test_what_is_no_blob_of_the_right_size_is_not_retained(self):
        for what in self.ABSENT:
            with self.subTest(what):
                source = self.start(DOCUMENT + "\n" * (100 + self.ABSENT.index(what)))
                self.become(what)
                began = time.monotonic()
                self.refused(422, "inputs_not_retained", source)
                answer = self.client.get(f"/api/artifacts/download?runId={source}&key=input.openapi")
                self.assertIn(answer.status, (200, 404), answer)  # what is a file is sent as it is
                self.assertEqual(answer.status, 200 if what in ("empty", "shorter", "longer") else 404, what)
                self.assertLess(time.monotonic() - began, 10)

    def test_the_worker_takes_no_input_that_is_not_what_was_retained(self):
        worker = self.stack.workers[0]
        sources = {}
        for what in (*self.ABSENT, "other bytes"):
            sources[what] = self.start(DOCUMENT + "\n" * (200 + len(sources)))
        self.assertEqual(worker.stop(), 0)
        self.stack.workers.remove(worker)
        accepted = {what: check_accepted(self.client.retry(source), of_retry=True)["run"]["id"] for what,
                    source in sources.items()}
        for count, what in enumerate(sources):
            self.text = DOCUMENT + "\n" * (200 + count) + "\n" * self.orgs
            self.become(what)
        self.stack.start_worker()
        for what, run in accepted.items():
            with self.subTest(what):
                self.stack.wait_status(run, "failed")
                seen = self.client.get(f"/api/runs/{run}").json
                check_run(seen)
                self.assertEqual([(s["name"], s["error"]["code"]) for s in seen["steps"]],
                                 [("verify_inputs", "inputs_corrupt")])
        self.assertTrue(self.stack.workers[0].alive())


class Tickets(BadInputTest):
    """Entries that somebody put onto the queue by hand."""
    options = {**BadInputTest.options, "workers": 1}

    def entries(self):
        run, other = self.run_id, another_id(self.run_id)
        return ((b"x", b"y"), (b"run", b""), (b"run", b"no-run", b"epoch", b"1"),
                (b"run", other.encode(), b"epoch", b"1"), (b"epoch", b"1"),
                (b"run", run.encode()), (b"run", run.encode(), b"epoch", b"abc"),
                (b"run", run.encode(), b"epoch", b"-1"),
                (b"run", run.encode(), b"epoch", b"9" * 400), (b"run", b"\xff\x00\r\n*", b"epoch", b"\x00"),
                (b"", b""), (b"run", b"{p0}:*", b"epoch", b"1"),
                (b"run", b"x" * 1_000_000, b"epoch", b"1"), (b"v", b"99", b"run", run.encode(), b"epoch", b"1",
                                                             b"more", b"z" * 1000),
                (b"epoch", b"1", b"run", run.encode()), (b"run", b"../../etc/passwd", b"epoch", b"1e400"),
                (b"run", b"meta", b"epoch", b"nan"))

    def test_none_of_them_is_a_run_and_the_worker_lives(self):
        worker, redis = self.stack.workers[0], self.stack.redis
        self.stack.wait_status(self.run_id, "complete")
        wait_for("nothing is queued", lambda: self.stack.stats()["queued"] + self.stack.stats()["running"] == 0)
        source, before = self.stack.run_hash(self.run_id), self.stack.stats()
        for stream in ("default", "again"):
            for entry in self.entries():
                redis.call("XADD", f"{P0}queue:{stream}", "*", *entry)
        run = self.accepted(self.retry())["run"]["id"]
        self.stack.wait_status(run, "complete")
        wait_for("they are dealt with", lambda: not any(redis.call("XPENDING", f"{P0}queue:{s}", "workers")[0]
                                                        for s in ("default", "again")))
        after = self.stack.stats()
        self.assertEqual({k: after.get(k) for k in ("claims", "complete", "failed")},
                         {"claims": before["claims"] + 1, "complete": before["complete"] + 1,
                          "failed": before.get("failed")})
        self.assertEqual((after["queued"], after["running"], after.get("ghosts", 0)), (0, 0, 0))
        self.assertEqual(self.stack.run_hash(self.run_id), source)
        self.assertTrue(worker.alive())
        self.assertEqual(json.loads(self.stack.admin("doctor", "--json"))["findings"], [])


class Clocks(FreshStackTest):
    """Times that are far off, wherever somebody can say one."""
    options = {"pipelines": BadInputTest.options["pipelines"], "workers": 1,
               "settings": ("--beat", 300, "--lease", 1000, "--sweep", 200)}

    def setUp(self):
        zone = os.environ.get("TZ")
        os.environ["TZ"] = "America/St_Johns"  # half an hour off, and with a summer time
        try:
            super().setUp()
        finally:
            os.environ.pop("TZ")
            os.environ.update({"TZ": zone} if zone else {})

    def test_no_time_that_a_caller_or_a_ticket_says_moves_a_lease(self):
        client = self.stack.client()
        run = check_accepted(client.start(DOCUMENT), of_retry=False)["run"]["id"]
        self.stack.wait_status(run, "complete")
        for date in ("Fri, 31 Dec 9999 23:59:59 GMT", "Tue, 19 Jan 2038 03:14:08 GMT",
                     "Thu, 01 Jan 1970 00:00:00 GMT", "now", "-1", "Sun, 31 Oct 2027 02:30:00 CET"):
            fields = {"Date": date, "If-Modified-Since": date, "If-Unmodified-Since": date, "Expires": date,
                      "Age": date, "X-Request-Start": date}
            answer = client.post(f"/api/runs/{run}/retry", headers=fields)
            body = check_accepted(answer, of_retry=True)
            record = self.stack.run_hash(body["run"]["id"])
            self.assertLess(abs(int(record["created"]) - time.time() * 1000), 60_000)
            self.assertLess(abs(time_of(body["run"]["createdAt"]).timestamp() - time.time()), 60)
            self.assertNotIn("9999", answer.headers["Date"])
            self.stack.wait_status(body["run"]["id"], "complete")

    def test_a_ticket_from_the_year_9999_holds_up_nobody(self):
        client = self.stack.client()
        self.stack.redis.call("XADD", P0 + "queue:default", f"{FAR}-0", "run", "x", "epoch", "1")
        for _ in range(5):
            run = check_accepted(client.start(DOCUMENT), of_retry=False)["run"]["id"]
            self.stack.wait_status(run, "complete")
            again = check_accepted(client.retry(run), of_retry=True)["run"]["id"]
            self.stack.wait_status(again, "complete")
        self.assertEqual(self.stack.redis.call("XPENDING", P0 + "queue:default", "workers")[0], 0)
        self.assertEqual(self.stack.redis.call("ZCARD", P0 + "leases"), 0)
        self.assertEqual(json.loads(self.stack.admin("doctor", "--json"))["findings"], [])

    def test_an_id_from_the_year_9999_is_an_id_like_any_other(self):
        client = self.stack.client()
        run = check_accepted(client.start(DOCUMENT), of_retry=False)["run"]["id"]
        far = run[:6] + "z" * 10 + run[16:]
        check_error(client.get(f"/api/runs/{far}"), 404, "run_not_found")
        check_error(client.get(f"/api/runs?cursor={far}"), 400, "invalid_parameter")


if __name__ == "__main__":
    unittest.main()
