"""Hashes of runs in which somebody changed a field by hand: an error of that run, and no harm to others."""
import json
import subprocess
import unittest

from contract import check_accepted, check_error
from pipelines import BUILT_IN_ONLY, DOCUMENT
from raw_http import Connection, request
from stack import BIN, P0, StackTest
from unharmed import end_with_failed_requests

JSON_FIELDS = ("doc", "inputs", "steps", "s.0", "quality", "a.0")
NO_NUMBERS = ("abc", "", "-1", "9" * 40, "1e400", "0x1", "nan")
NO_JSON = ("abc", "{[", "null", "[1]", '"x"', '{"a"', "}", "{" * 1000)
MAY_ANSWER = (200, 202, 404, 409, 410, 422, 500)


class Records(StackTest):
    options = {"pipelines": BUILT_IN_ONLY, "workers": 1}

    @classmethod
    def prepare(cls):
        cls.client = cls.stack.client()
        cls.run_id = cls.completed(cls.client.start(DOCUMENT), of_retry=False)
        cls.record = cls.stack.run_hash(cls.run_id)

    @classmethod
    def completed(cls, answer, of_retry):
        run = check_accepted(answer, of_retry)["run"]["id"]
        cls.stack.wait_status(run, "complete")
        return run

    def setUp(self):
        self.name = f"{P0}run:{self.run_id}"
        self.addCleanup(self.restore)

    def restore(self):
        """The record as it was; and an API, so that what ended one does not hide what the next does."""
        flat = [word for pair in self.record.items() for word in pair]
        self.stack.redis.call("DEL", self.name)
        self.stack.redis.call("HSET", self.name, *flat)
        if not self.stack.api.alive():
            self.client.close()
            argv = [BIN / "reprise-api", "serve", "--listen", f"127.0.0.1:{self.stack.port}",
                    *self.stack.common("api")]
            self.stack.api = self.stack.launch(f"api-{len(self.stack.processes)}", argv)
            self.stack.api.wait_log("serving")

    def calls(self):
        run = self.run_id
        return (("GET", f"/api/runs/{run}", None), ("GET", f"/api/runs/{run}/retry", None),
                ("POST", f"/api/runs/{run}/retry", "{}"),
                ("POST", f"/api/runs/{run}/cancel", "{}"),
                ("GET", f"/api/artifacts/download?runId={run}&key=input.openapi", None))

    def answers(self):
        """What each call answers: the status that it may, and JSON, whatever the record says."""
        statuses = []
        for method, path, body in self.calls():
            answer = self.client.call(method, path, body)
            self.assertIn(answer.status, MAY_ANSWER, answer)
            if "download" not in path:
                self.assertIsInstance(answer.json, dict)
            if answer.status == 500:
                check_error(answer, 500, "internal_error")
            statuses.append(answer.status)
        return statuses

    def tampered(self, field, value):
        self.stack.redis.call("HSET", self.name, field, value)
        try:
            return self.answers()
        finally:
            self.restore()

    def reported(self, field, value=None):
        """The kinds of doctor's findings about the run while this field has this value, or is gone."""
        self.stack.redis.call(*("HDEL", self.name, field) if value is None else ("HSET", self.name, field, value))
        try:
            done = subprocess.run([BIN / "reprise-api", "doctor", "--json", *self.stack.common("admin")],
                                  capture_output=True,
                                  text=True, timeout=30, check=False)
        finally:
            self.restore()
        self.assertIn(done.returncode, (0, 1), done)
        return {finding["kind"] for finding in json.loads(done.stdout)["findings"]
                if finding["subject"] == self.run_id}

    def test_a_status_that_is_none_is_an_error_of_that_run(self):
        for status in ("foo", "", "Ready", "-1", "a\0b", "{}"):
            self.assertEqual(self.tampered("status", status)[0], 500)

    def test_a_record_that_makes_no_sense_is_reported(self):
        for field, value in (("status", "foo"), ("epoch", "many"), ("seq", "abc"), ("epoch", None), ("org", None),
                             ("project", None)):
            with self.subTest(field=field, value=value):
                self.assertIn("broken_record", self.reported(field, value))

    def test_a_record_without_a_status_is_broken_and_still_a_run(self):
        self.assertEqual(self.reported("status"), {"broken_record"})

    def test_a_record_whose_json_is_none_is_reported(self):
        for field in ("doc", "inputs", "steps"):
            with self.subTest(field=field):
                self.assertIn("broken_record", self.reported(field, '{"a"'))

    def test_numbers_that_are_none_do_no_harm(self):
        for field in ("seq", "epoch", "created", "expires", "keptUntil", "ended", "nth", "lost"):
            for value in NO_NUMBERS:
                with self.subTest(field=field, value=value):
                    self.tampered(field, value)

    def test_fields_that_are_gone_do_no_harm(self):
        for field in self.record:
            with self.subTest(field=field):
                self.stack.redis.call("HDEL", self.name, field)
                self.tampered("unknown-field", "x")

    def test_a_record_that_is_no_hash_is_an_error(self):
        self.stack.redis.call("DEL", self.name)
        self.stack.redis.call("SET", self.name, "x")
        self.assertEqual(set(self.answers()), {500})

    def test_json_that_is_none_is_never_part_of_an_answer(self):
        for field in JSON_FIELDS:
            for value in NO_JSON:
                with self.subTest(field=field, value=value[:20]):
                    self.tampered(field, value)

    def test_a_step_whose_facts_are_no_json_is_never_part_of_an_answer(self):
        for value in NO_JSON:
            with self.subTest(value=value[:20]):
                self.assertEqual(self.tampered("steps", f"\n0 3 1 4 1 1 completed 1 one {value}")[0], 500)

    def test_a_nul_in_json_does_not_end_the_api(self):
        for field in JSON_FIELDS:
            with self.subTest(field=field):
                self.tampered(field, '{"a":"\0"}')

    def test_one_broken_run_does_not_hide_the_others(self):
        broken, sound = (self.completed(self.client.retry(self.run_id), of_retry=True) for _ in range(2))
        self.stack.redis.call("HSET", f"{P0}run:{broken}", "status", "foo")
        answer = self.client.get("/api/runs?limit=10")
        self.stack.redis.call("HSET", f"{P0}run:{broken}", "status", "complete")
        self.assertEqual(answer.status, 200, answer)
        self.assertIn(sound, [run["id"] for run in answer.json["runs"]])

    def test_a_watcher_of_a_history_that_makes_no_sense_is_not_held_for_ever(self):
        for history in ("", "abc", "1 2", "{}"):
            with self.subTest(history=history):
                self.stack.redis.call("HSET", self.name, "history", history)
                with Connection(self.stack.port, timeout=2) as connection:
                    connection.send(request("GET", f"/api/runs/{self.run_id}/events", key=self.client.key))
                    try:
                        status = connection.answer().status
                    except TimeoutError:
                        status = "nothing"
                self.restore()
                self.assertIn(status, (200, 204, 500))

    end_stack = staticmethod(end_with_failed_requests)


if __name__ == "__main__":
    unittest.main()
