"""GET of a retry and POST of it never disagree: in any mixture of causes, one says beforehand what the other answers."""
import random
import unittest

from client import Api
from contract import check_accepted, check_error
from persistent import sized
from pipelines import BUILT_IN_ONLY, DOCUMENT
from resp import Redis
from retrying import RetryTest, another_id
from stack import P0
from watching import another_api

MIXTURES = sized(60, 600)
SEED = 20


class Preflight(RetryTest):
    """No worker: sources are queued, or are canceled; with which of the two, the answers are the same."""
    options = {"pipelines": BUILT_IN_ONLY, "workers": 0}

    @classmethod
    def prepare(cls):
        cls.full = another_api(cls, "api-full", "--queue-limit", 1)  # there is always one queued
        stranger = cls.stack.client("stranger")
        cls.foreign = check_accepted(stranger.start(DOCUMENT), of_retry=False)["run"]["id"]

    # --- what may be the matter with a source, its organisation, or its caller ---

    def canceled(self):
        self.assertEqual(self.client.post(f"/api/runs/{self.source}/cancel").status, 200)

    def used_up(self):
        self.stack.admin("orgs", "set", self.org, "--runs-per-month", "1")

    def inactive(self):
        self.stack.admin("orgs", "set", self.org, "--plan", "inactive")

    def archived(self):
        self.stack.admin("projects", "archive", self.project)

    def blob_gone(self):
        self.blob().unlink(missing_ok=True)

    def blob_of_another_size(self):
        if self.blob().exists():
            self.blob().write_bytes(b"x")

    def released(self):
        self.stack.redis.call("ZADD", P0 + "retained", 1, f"{self.org}/{self.blob().name}")

    def only_pinned(self):
        self.released()
        self.stack.redis.call("ZADD", P0 + "pinned", "9" * 13, f"{self.org}/{self.blob().name}")

    def without_record_of_inputs(self):
        self.stack.redis.call("HSET", f"{P0}run:{self.source}", "inputs", "{}")

    def reader(self):
        self.caller = self.stack.key(self.org, "runs:read")

    def nobody(self):
        self.caller = ""

    def another_run(self):
        self.asked = another_id(self.source)

    def foreign_run(self):
        self.asked = self.foreign

    def queue_full(self):
        self.port = self.full.port

    # ---

    def prepared(self, dice):
        """A source for which some of this holds; answers what."""
        self.setUp()
        self.source = self.asked = self.start()
        self.caller, self.port = self.client.key, self.stack.port
        causes = [self.canceled, self.used_up, self.inactive, self.archived, self.blob_gone, self.blob_of_another_size,
                  self.released, self.only_pinned, self.without_record_of_inputs, self.reader, self.nobody,
                  self.another_run, self.foreign_run, self.queue_full]
        chosen = dice.sample(causes, dice.choice((0, 1, 1, 1, 2, 2, 3, 5)))
        for cause in chosen:
            cause()
        return [cause.__name__ for cause in chosen]

    def test_in_any_mixture_of_causes_both_say_the_same(self):
        dice, seen = random.Random(SEED), set()
        for n in range(MIXTURES):
            chosen = self.prepared(dice)
            with self.subTest(n=n, seed=SEED, chosen=chosen):
                seen.add(self.both_say_the_same())
        wanted = {"accepted", "unauthorized", "insufficient_scope", "run_not_found", "project_archived", "plan_inactive",
                  "quota_exceeded", "inputs_not_retained", "queue_full"}
        self.assertLessEqual(wanted, seen, "a cause never showed")

    def both_say_the_same(self):
        api = Api(self.port, self.caller)
        said = api.get(f"/api/runs/{self.asked}/retry", key=self.caller)
        self.assertEqual(said.body, api.get(f"/api/runs/{self.asked}/retry", key=self.caller).body, "it changed something")
        answer = api.post(f"/api/runs/{self.asked}/retry", key=self.caller)
        api.close()
        if said.status != 200:  # who is not let in, or asks for what is not there, hears the same from both
            check_error(said, answer.status, answer.json["error"])
            return answer.json["error"]
        if said.json["retryable"]:
            check_accepted(answer, of_retry=True)
            self.assertTrue(all(i["retained"] for i in said.json["inputs"]))
            return "accepted"
        message = check_error(answer, said.json["status"], said.json["error"])
        self.assertEqual(message, said.json["message"])
        return answer.json["error"]

    def test_asking_beforehand_writes_nothing(self):
        self.source = self.start()
        monitor = Redis(self.stack.socket)
        self.addCleanup(monitor.close)
        monitor.call("MONITOR")
        for _ in range(5):
            self.assertEqual(self.client.get(f"/api/runs/{self.source}/retry").json["retryable"], True)
        self.stack.redis.call("ECHO", "that was all")
        seen = []
        while '"that was all"' not in (line := monitor.read()):
            seen.append(line)
        asked = [line for line in seen if self.source in line or self.org in line]
        self.assertTrue(asked)
        for line in asked:
            self.assertRegex(line, r'"(HGETALL|HGET|HMGET|ZSCORE|GET|EXISTS|ZRANGE|ZCARD|FCALL_RO|TIME)"', line)


if __name__ == "__main__":
    unittest.main()
