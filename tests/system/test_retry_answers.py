"""Every answer that retry has, each from its real cause, and the order in which causes are looked at."""
import unittest
import zlib

from client import Api
from contract import check_accepted, check_error, check_run, time_of
from retrying import RetryTest, another_id
from stack import P0, wait_for


def with_checksum(head):
    return head + f"{zlib.crc32(head.encode()):08x}"


class RetryAnswers(RetryTest):
    def test_202_is_a_new_run_that_ends_like_its_source(self):
        source = self.start()
        body = check_accepted(self.client.retry(source, reason="why not"), of_retry=True)
        self.assertNotEqual(body["run"]["id"], source)
        self.assertEqual(body["run"]["status"], "queued")
        self.assertEqual(body["sourceRun"], self.client.get(f"/api/runs/{source}").json)
        self.assertEqual(body["project"]["runCount"], 2)
        self.stack.wait_status(body["run"]["id"], "complete")
        check_run(self.client.get(f"/api/runs/{body['run']['id']}").json)

    def test_202_tells_what_the_run_may_expect(self):
        self.stack.admin("orgs", "set", self.org, "--runs-per-month", "5")
        source = self.start()
        wait_for("the API sees the worker", lambda: self.client.retry(source).json["capabilities"]["workers"]["live"] == 1, 5, 1)
        body = check_accepted(self.client.retry(source), of_retry=True)
        seen, used = body["capabilities"], 1 + body["run"]["inputSummary"]["lineage"]["retryNumber"]
        self.assertEqual(seen["workers"]["slots"], 2)
        self.assertEqual(seen["durability"], "always")
        self.assertEqual((seen["quota"]["limit"], seen["quota"]["used"]), (5, used))
        self.assertGreater(time_of(seen["quota"]["resetsAt"]), time_of(body["run"]["createdAt"]))
        self.assertGreater(time_of(seen["inputsRetainedUntil"]), time_of(body["run"]["createdAt"]))
        self.assertGreaterEqual(seen["queued"], 1)
        self.assertTrue(seen["canStart"])

    def test_a_retry_of_a_retry_names_both_its_source_and_the_root(self):
        root = self.start()
        first = self.client.retry(root).json["run"]["id"]
        lineage = self.client.retry(first).json["run"]["inputSummary"]["lineage"]
        self.assertEqual(lineage, {"retryOf": first, "rootRun": root, "retryNumber": 2})

    def test_401_is_the_same_whatever_is_wrong_with_the_key(self):
        source = self.start()
        good = self.client.key
        head, secret = good[:16], good[16:48]
        wrong = {"missing": "", "malformed": "hello", "a wrong checksum": good[:-1] + ("0" if good[-1] != "0" else "1"),
                 "unknown": with_checksum("rp_" + "0" * 12 + "_" + secret), "a wrong secret": with_checksum(head + "z" * 32),
                 "too long": good + "0", "another scheme": None}
        bodies = set()
        for what, key in wrong.items():
            with self.subTest(what):
                headers = {"Authorization": "Basic " + good} if key is None else {}
                answer, _ = self.refused(401, "unauthorized", source, Api(self.stack.port), key=key or "", headers=headers)
                self.assertTrue(answer.headers["WWW-Authenticate"].startswith("Bearer"))
                bodies.add(answer.body)
        self.assertEqual(len(bodies), 1, bodies)

    def test_401_for_a_revoked_key_within_three_seconds(self):
        source = self.start()
        other = self.stack.client(self.org)
        self.assertEqual(other.get(f"/api/runs/{source}").status, 200)
        self.stack.admin("keys", "revoke", other.key.split("_")[1])
        wait_for("the key is refused", lambda: other.get(f"/api/runs/{source}").status == 401, 3, 0.1)
        self.refused(401, "unauthorized", source, other)
        self.assertEqual(self.client.retry(source).status, 202)

    def test_402_when_the_quota_of_the_month_is_used_up(self):
        self.stack.admin("orgs", "set", self.org, "--runs-per-month", "2")
        source = self.start()
        self.assertEqual(self.client.retry(source).status, 202)
        _, message = self.refused(402, "quota_exceeded", source)
        self.assertIn("2", message)
        check_error(self.client.start(self.text), 402, "quota_exceeded")
        self.stack.admin("orgs", "set", self.org, "--runs-per-month", "3")
        self.assertEqual(self.client.retry(source).status, 202)

    def test_402_when_the_plan_is_not_active(self):
        source = self.start()
        self.stack.admin("orgs", "set", self.org, "--plan", "inactive")
        self.refused(402, "plan_inactive", source)
        check_error(self.client.start(self.text), 402, "plan_inactive")
        self.stack.admin("orgs", "set", self.org, "--plan", "active")
        self.assertEqual(self.client.retry(source).status, 202)

    def test_403_without_the_scope_even_for_a_run_that_is_not_there(self):
        source = self.start()
        reader = self.stack.client(self.org, "runs:read")
        _, message = self.refused(403, "insufficient_scope", source, reader)
        self.assertIn("runs:write", message)
        self.refused(403, "insufficient_scope", another_id(source), reader)
        writer = self.stack.client(self.org, "runs:write")
        check_error(writer.get(f"/api/runs/{source}"), 403, "insufficient_scope")

    def test_403_when_the_project_is_archived(self):
        source = self.start()
        self.stack.admin("projects", "archive", self.project)
        self.refused(403, "project_archived", source)
        check_error(self.client.start(self.text, projectId=self.project), 403, "project_archived")
        self.assertEqual(self.client.get(f"/api/projects/{self.project}").json["status"], "archived")

    def test_404_does_not_tell_an_unknown_run_from_another_organisations(self):
        foreign = self.start(client=self.stack.client("somebody-else"))
        self.start()
        answers = []
        for run in (another_id(foreign), foreign, "run_1", "x" * 200, "%00", "run_" + "z" * 30):
            answer, _ = self.refused(404, "run_not_found", run)
            answers.append((answer.body, sorted(name for name, _ in answer.headers.items())))
        self.assertTrue(all(a == answers[0] for a in answers), answers)
        check_error(self.client.get(f"/api/runs/{foreign}"), 404, "run_not_found")
        check_error(self.client.post(f"/api/runs/{foreign}/cancel"), 404, "run_not_found")
        check_error(self.client.get(f"/api/artifacts/download?runId={foreign}&key=input.openapi"), 404, "run_not_found")

    def test_422_when_a_retained_input_is_gone(self):
        source = self.start()
        self.blob().unlink()
        _, message = self.refused(422, "inputs_not_retained", source)
        self.assertIn("openapi", message)
        self.assertIn(source, message)

    def test_422_when_a_retained_input_has_another_size(self):
        source = self.start()
        self.blob().write_bytes(self.blob().read_bytes()[:-1])
        self.refused(422, "inputs_not_retained", source)

    def test_422_names_the_one_input_that_is_gone(self):
        config = "language: typescript # " + self.org
        source = self.start(mode="stainless_compatible", configText=config)
        self.blob(config).unlink()
        _, message = self.refused(422, "inputs_not_retained", source)
        self.assertIn("config", message)
        self.assertNotIn("openapi", message)

    def test_422_when_redis_no_longer_retains_an_input_that_is_still_on_disk(self):
        source = self.start()
        self.stack.redis.call("ZADD", P0 + "retained", 1, f"{self.org}/{self.blob().name}")
        check_error(self.client.retry(source), 422, "inputs_not_retained")
        self.assertEqual(self.stack.redis.call("ZCARD", f"{P0}runs:{self.org}"), 1)

    def test_503_and_not_422_when_the_store_is_not_mounted(self):
        source = self.start()
        blobs, away = self.stack.dir / "blobs", self.stack.dir / "away"
        blobs.rename(away)
        try:
            answer, _ = self.refused(503, "storage_unavailable", source)
            self.assertIn("Retry-After", answer.headers)
        finally:
            if blobs.exists():
                blobs.rmdir()
            away.rename(blobs)
        self.assertEqual(self.client.retry(source).status, 202)


class OrderOfChecks(RetryTest):
    def test_each_cause_hides_those_that_come_after_it(self):
        source = self.start()
        self.blob().unlink()
        self.refused(422, "inputs_not_retained", source)
        self.stack.admin("orgs", "set", self.org, "--runs-per-month", "1")
        self.refused(402, "quota_exceeded", source)
        self.stack.admin("orgs", "set", self.org, "--plan", "inactive")
        self.refused(402, "plan_inactive", source)
        self.stack.admin("projects", "archive", self.project)
        self.refused(403, "project_archived", source)
        self.refused(404, "run_not_found", another_id(source))
        reader = self.stack.client(self.org, "runs:read")
        self.refused(403, "insufficient_scope", another_id(source), reader)
        self.refused(400, "invalid_body", another_id(source), reader, body="[]")
        self.refused(415, "unsupported_media_type", another_id(source), reader, body="[]", headers={"Content-Type": "text/plain"})
        self.refused(401, "unauthorized", another_id(source), Api(self.stack.port), body="[]")


if __name__ == "__main__":
    unittest.main()
