"""What the API remembers of the source of a retry is never what somebody sees: the source is shown, refused and explained as it
is now."""
import json
import unittest

from contract import check_accepted, check_error
from pipelines import BUILT_IN_ONLY, DOCUMENT
from stack import P0, StackTest


class RetrySources(StackTest):
    options = {"pipelines": BUILT_IN_ONLY, "workers": 0}

    def setUp(self):
        self.client = self.stack.client()
        self.addCleanup(self.client.close)
        self.source = check_accepted(self.client.start(DOCUMENT), of_retry=False)["run"]["id"]
        self.retried()  # from now on it is remembered

    def retried(self):
        return check_accepted(self.client.retry(self.source), of_retry=True)

    def test_a_retry_shows_its_source_as_it_is_now(self):
        self.assertEqual(self.retried()["sourceRun"]["status"], "queued")
        worker = self.stack.start_worker()
        self.stack.wait_status(self.source, "complete")
        worker.stop()
        self.assertEqual(self.retried()["sourceRun"], self.client.get(f"/api/runs/{self.source}").json)

    def test_a_canceled_source_is_shown_canceled_by_every_thread(self):
        self.assertEqual(self.client.post(f"/api/runs/{self.source}/cancel").status, 200)
        for _ in range(4):  # new connections, so that another thread may have it
            self.client.close()
            self.assertEqual(self.retried()["sourceRun"]["status"], "canceled")

    def test_a_source_that_was_forgotten_is_not_found(self):
        self.stack.redis.call("DEL", f"{P0}run:{self.source}")
        check_error(self.client.retry(self.source), 404, "run_not_found")

    def test_to_another_organisation_it_is_unknown_as_before(self):
        other = self.stack.client("other")
        self.addCleanup(other.close)
        unknown = other.retry(self.source[:-4] + "0000")
        known = other.retry(self.source)
        self.assertEqual((known.status, known.body), (404, unknown.body))

    def test_a_project_archived_meanwhile_refuses(self):
        project = self.client.get(f"/api/runs/{self.source}").json["projectId"]
        self.stack.admin("projects", "archive", project)
        self.addCleanup(self.stack.redis.call, "HSET", f"{P0}project:{project}", "status", "active")
        check_error(self.client.retry(self.source), 403, "project_archived")

    def test_a_blob_that_is_gone_is_noticed_at_once(self):
        digest = json.loads(self.stack.run_hash(self.source)["inputs"])["openapi"]["sha256"]
        blob = next((self.stack.dir / "blobs" / "acme").glob(f"*/{digest}"))
        text = blob.read_bytes()
        blob.unlink()
        self.addCleanup(blob.write_bytes, text)
        check_error(self.client.retry(self.source), 422, "inputs_not_retained")


if __name__ == "__main__":
    unittest.main()
