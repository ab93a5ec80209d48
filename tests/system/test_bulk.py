"""Bulk retries: a dry run that only counts, a canary that stops the wave, a rate, progress, an end, a stop, and a process that
dies on the way. And the feed of everything that happens."""
import http.client
import json
import unittest

from contract import check_accepted, check_error
from pipelines import DOCUMENT, VERIFY, pipelines, shell
from process import wait_for
from stack import P0, FreshStackTest

FAILS = shell("brittle", 'test -e "$0/mended" || { echo no >&2; exit 3; }', attempts=1)


class Bulk(FreshStackTest):
    options = {"pipelines": pipelines(VERIFY, FAILS), "workers": 0, "concurrency": 8}
    RUNS = 12

    def setUp(self):
        super().setUp()
        self.side = self.stack.dir / "side"
        self.stack.pipelines.write_text(self.stack.pipelines.read_text().replace("$0", str(self.side)))
        self.stack.start_worker()
        self.client = self.stack.client(user="ada")
        self.failed = [check_accepted(self.client.start(DOCUMENT), of_retry=False)["run"]["id"] for _ in range(self.RUNS)]
        for run in self.failed:
            self.stack.wait_status(run, "failed")

    def begin(self, **fields):
        answer = self.client.post("/api/bulk", {"of": "dead", "rate": "100", "reason": "mended", **fields})
        self.assertEqual(answer.status, 202, answer)
        return answer.json["bulk"]["id"]

    def now(self, bulk):
        return self.client.get(f"/api/bulk/{bulk}").json["bulk"]

    def end_of(self, bulk):
        def ended():
            now = self.now(bulk)
            return now if now["state"] not in ("canary", "running") else None
        return wait_for("the wave has ended", ended, seconds=60)

    def retries(self):
        return {r["inputSummary"]["lineage"]["retryOf"] for r in self.client.get("/api/runs?limit=100").json["runs"]
                if "lineage" in r["inputSummary"]}

    def test_a_dry_run_counts_and_changes_nothing(self):
        for more, matched in (({}, self.RUNS), ({"code": "step_failed", "step": "brittle"}, self.RUNS), ({"code": "poison_run"}, 0)):
            for of in ("dead", "failed"):
                answer = self.client.post("/api/bulk", {"of": of, "dryRun": "true", **more})
                self.assertEqual((answer.status, answer.json), (200, {"matched": matched, "more": False}))
        self.assertEqual(self.retries(), set())
        for body in ({"of": "all"}, {"of": "dead", "rate": "0"}, {"of": "dead", "canary": "101"}, {"of": "dead", "dryRun": "yes"}):
            check_error(self.client.post("/api/bulk", body), 400, "invalid_body")

    def test_a_wave_asked_for_twice_is_one(self):
        wanted, key = {"of": "dead", "rate": "1", "canary": "0"}, {"Idempotency-Key": "wave"}
        first, again = (self.client.post("/api/bulk", wanted, headers=key) for _ in range(2))
        self.assertEqual((first.status, again.status), (202, 202))
        self.assertEqual(first.json["bulk"]["id"], again.json["bulk"]["id"])
        self.assertEqual((first.headers.get("idempotent-replayed"), again.headers["idempotent-replayed"]), (None, "true"))
        check_error(self.client.post("/api/bulk", {**wanted, "rate": "2"}, headers=key), 409, "idempotency_key_reused")
        check_error(self.client.post("/api/bulk", wanted, headers={"Idempotency-Key": ""}), 400, "invalid_idempotency_key")
        self.assertEqual(len(self.client.get("/api/bulk").json["bulks"]), 1)
        self.client.post(f"/api/bulk/{first.json['bulk']['id']}/stop")

    def test_a_wave_that_is_no_longer_kept_is_not_made_again(self):
        wanted, key = {"of": "dead", "code": "no_such_code"}, {"Idempotency-Key": "wave"}
        bulk = self.client.post("/api/bulk", wanted, headers=key).json["bulk"]["id"]
        self.end_of(bulk)
        self.stack.redis.call("DEL", f"{P0}bulk:{bulk}")  # as after a hundred later ones
        check_error(self.client.post("/api/bulk", wanted, headers=key), 409, "idempotency_key_reused")

    def test_a_wave_ends_with_the_key_that_started_it(self):
        starter = self.stack.client(user="eve")
        answer = starter.post("/api/bulk", {"of": "dead", "rate": "1", "canary": "0"})
        self.assertEqual(answer.status, 202, answer)
        bulk = answer.json["bulk"]["id"]
        self.stack.admin("keys", "revoke", starter.key.split("_")[1])
        ended = self.end_of(bulk)
        self.assertEqual((ended["state"], ended["endedBecause"]),
                         ("stopped", "the key that it was started with does not work any more"))
        self.assertLess(ended["retried"], self.RUNS)

    def test_a_canary_that_fails_stops_the_wave(self):
        ended = self.end_of(self.begin(canary="2"))
        self.assertEqual((ended["state"], ended["retried"], ended["canaryFailed"]), ("canary_failed", 2, 2))
        self.assertEqual(len(self.retries()), 2)

    def test_all_are_retried_once_with_the_reason_and_who_asked(self):
        (self.side / "mended").touch()
        bulk = self.begin(canary="1")
        ended = self.end_of(bulk)
        self.assertEqual((ended["state"], ended["matched"], ended["retried"], ended["refused"]), ("done", self.RUNS, self.RUNS, 0))
        self.assertEqual(self.retries(), set(self.failed))
        newest = self.client.get("/api/runs?limit=1").json["runs"][0]
        self.assertEqual((newest["createdByUserId"], newest["inputSummary"]["lineage"]["reason"]), ("ada", "mended"))
        self.assertEqual(self.client.get("/api/dead").json["dead"], [])
        self.assertEqual([b["id"] for b in self.client.get("/api/bulk").json["bulks"]], [bulk])
        check_error(self.stack.client("other").get(f"/api/bulk/{bulk}"), 404, "bulk_not_found")

    def test_a_wave_is_stopped_and_goes_by_its_rate(self):
        (self.side / "mended").touch()
        bulk = self.begin(canary="0", rate="2")
        wait_for("some are retried", lambda: self.now(bulk)["retried"] >= 2)
        stopped = self.client.post(f"/api/bulk/{bulk}/stop", {"reason": "enough"}).json["bulk"]
        self.assertEqual(stopped["state"], "stopped")
        wait_for("the turn in hand is over", lambda: self.now(bulk)["retried"] == len(self.retries()))
        self.assertLess(len(self.retries()), self.RUNS)

    def test_another_process_goes_on_with_it(self):
        (self.side / "mended").touch()
        bulk = self.begin(canary="0", rate="4")
        wait_for("it has begun", lambda: self.now(bulk)["retried"] >= 1)
        self.stack.api.kill()
        self.stack.killed.add(self.stack.api)
        from stack import BIN
        argv = [BIN / "reprise-api", "serve", "--listen", "127.0.0.1:0", *self.stack.common("api")]
        self.stack.api = self.stack.launch("api-2", argv)
        self.stack.port = int(self.stack.api.wait_log("serving")["port"])
        self.client = self.stack.client(user="ada")
        self.assertEqual(self.end_of(bulk)["state"], "done")
        runs = self.client.get("/api/runs?limit=100").json["runs"]
        self.assertEqual(len(runs), 2 * self.RUNS)  # each was retried once
        self.assertEqual(self.retries(), set(self.failed))


class Feed(FreshStackTest):
    options = {"pipelines": pipelines(VERIFY)}

    def listen(self, key):
        connection = http.client.HTTPConnection("127.0.0.1", self.stack.port, timeout=20)
        connection.request("GET", "/api/feed", headers={"Authorization": "Bearer " + key})
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.getheader("Content-Type")), (200, "text/event-stream"))
        self.addCleanup(connection.close)
        self.assertEqual(answer.readline(), b"retry: 2000\n")
        return answer

    @staticmethod
    def events(answer, last):
        """Up to the one whose type is `last`."""
        found = []
        while not found or found[-1]["type"] != last:
            line = answer.readline()
            if line.startswith(b"data: "):
                found.append(json.loads(line[6:]))
        return found

    def test_each_sees_what_is_theirs(self):
        acme, operator = self.stack.key(), self.stack.key("*", "ops:read")
        ours, all_ = self.listen(acme), self.listen(operator)
        last = self.stack.redis.call("XLEN", "reprise:{p0}:events")
        self.assertEqual(last, 0)
        theirs = self.stack.client("other").start(DOCUMENT).json["run"]["id"]
        self.stack.wait_status(theirs, "complete")
        run = self.stack.client().start(DOCUMENT).json["run"]["id"]
        told = self.events(ours, "run.complete")
        self.assertEqual({e["run"] for e in told}, {run})
        self.assertEqual([e["seq"] for e in told], list(range(1, 6)))
        self.assertNotIn("org", told[0])
        self.assertEqual({e["org"] for e in self.events(all_, "run.complete")}, {"other"})
        self.assertEqual({e["org"] for e in self.events(all_, "run.complete")}, {"acme"})


if __name__ == "__main__":
    unittest.main()
