"""Retries that are repeated with an Idempotency-Key, and retries of runs that have not ended."""
import concurrent.futures
import time
import unittest

from client import Api
from contract import check_accepted, check_error, check_run
from pipelines import BUILT_IN_ONLY
from retrying import RetryTest
from stack import P0, wait_for


class Replays(RetryTest):
    def test_the_same_idempotency_key_answers_with_the_same_run(self):
        source = self.start()
        headers = {"Idempotency-Key": "once"}
        path = f"/api/runs/{source}/retry"
        first = check_accepted(self.client.post(path, {"reason": "r"}, headers=headers), of_retry=True)
        self.stack.wait_status(first["run"]["id"], "complete")
        accepted = self.stack.stats()["accepted"]
        answer = self.client.post(path, {"reason": "r"}, headers=headers)
        again = check_accepted(answer, of_retry=True)
        self.assertEqual(answer.headers["Idempotent-Replayed"], "true")
        self.assertEqual((again["run"]["id"], again["run"]["status"]), (first["run"]["id"], "complete"))
        self.assertEqual(self.stack.stats()["accepted"], accepted)
        check_error(self.client.post(path, {"reason": "other"}, headers=headers), 409, "idempotency_key_reused")
        other = self.start()
        check_error(self.client.post(f"/api/runs/{other}/retry", {"reason": "r"}, headers=headers), 409, "idempotency_key_reused")
        user = self.stack.client(self.org, user="another-user")
        self.assertNotEqual(user.post(path, {"reason": "r"}, headers=headers).json["run"]["id"], first["run"]["id"])

    def test_a_replay_works_after_the_inputs_are_gone_and_the_quota_is_used_up(self):
        source = self.start()
        headers, path = {"Idempotency-Key": '"quoted-key"'}, f"/api/runs/{source}/retry"
        first = check_accepted(self.client.post(path, headers=headers), of_retry=True)
        self.stack.wait_status(first["run"]["id"], "complete")
        self.blob().unlink()
        self.stack.admin("orgs", "set", self.org, "--runs-per-month", "1")
        again = check_accepted(self.client.post(path, headers={"Idempotency-Key": "quoted-key"}), of_retry=True)
        self.assertEqual(again["run"]["id"], first["run"]["id"])

    def test_twenty_requests_at_once_with_one_key_make_one_run(self):
        source = self.start()
        runs = self.stack.redis.call("ZCARD", f"{P0}runs:{self.org}")

        def one(_):
            client = Api(self.stack.port, self.client.key)
            answer = client.post(f"/api/runs/{source}/retry", {"reason": "all"}, headers={"Idempotency-Key": "all"})
            client.close()
            return check_accepted(answer, of_retry=True)["run"]["id"]
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            self.assertEqual(len(set(pool.map(one, range(20)))), 1)
        self.assertEqual(self.stack.redis.call("ZCARD", f"{P0}runs:{self.org}"), runs + 1)

    def test_an_idempotency_key_that_cannot_be_used_is_refused(self):
        source = self.start()
        for key in ("", '""', "a b", "k" * 256):
            self.refused(400, "invalid_idempotency_key", source, headers={"Idempotency-Key": key})


class WithoutWorkers(RetryTest):
    options = {"pipelines": BUILT_IN_ONLY, "workers": 0}

    def test_a_run_may_be_retried_while_it_is_queued_and_after_it_was_canceled(self):
        source = self.start()
        wait_for("the API sees that no worker is there any more",  # it counts them once a second
                 lambda: self.client.get(f"/api/runs/{source}").json["verdict"] == "needs_worker", 5)
        body = check_accepted(self.client.retry(source), of_retry=True)
        self.assertEqual((body["run"]["verdict"], body["sourceRun"]["status"]), ("needs_worker", "queued"))
        self.assertEqual((body["capabilities"]["workers"]["live"], body["capabilities"]["canStart"]), (0, False))
        canceled = self.client.post(f"/api/runs/{source}/cancel", {"reason": "no"})
        self.assertEqual((canceled.status, canceled.json["run"]["status"]), (200, "canceled"), canceled)
        check_run(canceled.json["run"])
        self.assertEqual(canceled.json["run"]["verdict"], "canceled")
        check_error(self.client.post(f"/api/runs/{source}/cancel"), 409, "run_not_cancelable")
        body = check_accepted(self.client.retry(source), of_retry=True)
        self.assertEqual(body["sourceRun"]["status"], "canceled")

    def test_a_queued_run_waits_for_the_first_worker_and_ends_well(self):
        run = self.start()
        time.sleep(0.3)
        self.assertEqual(self.client.get(f"/api/runs/{run}").json["status"], "queued")
        worker = self.stack.start_worker()
        self.stack.wait_status(run, "complete")
        self.assertEqual(worker.stop(), 0)
        self.stack.workers.remove(worker)
        check_error(self.client.post(f"/api/runs/{run}/cancel"), 409, "run_not_cancelable")


if __name__ == "__main__":
    unittest.main()
