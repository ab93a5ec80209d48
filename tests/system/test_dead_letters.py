"""Runs that are given up on: listed with the reason, the step and its last words, and redriven from what they retained."""
import json
import os
import subprocess
import sys
import unittest

from contract import check_accepted, check_error
from pipelines import DOCUMENT, VERIFY, pipelines, shell
from stack import P0, ROOT, StackTest, kept

FAILS_UNTIL = pipelines(VERIFY, shell("brittle", 'test -e "$0/mended" || { echo "the last word" >&2; exit 3; }'))


class DeadLetters(StackTest):
    options = {"pipelines": FAILS_UNTIL, "workers": 0}

    @classmethod
    def prepare(cls):
        side = cls.stack.dir / "side"
        cls.stack.pipelines.write_text(cls.stack.pipelines.read_text().replace("$0", str(side)))
        cls.stack.start_worker()
        cls.mended = side / "mended"

    def setUp(self):
        self.mended.unlink(missing_ok=True)
        self.org = self._testMethodName[-30:]
        self.key = self.stack.key(self.org)
        self.client = self.stack.client(self.org)
        self.runs = []
        for _ in range(5):
            run = check_accepted(self.client.start(DOCUMENT), of_retry=False)["run"]["id"]
            self.stack.wait_status(run, "failed")
            self.runs.insert(0, run)

    def reprise(self, *words, status=0):
        environment = os.environ | {"REPRISE_URL": f"http://127.0.0.1:{self.stack.port}", "REPRISE_API_KEY": self.key}
        done = subprocess.run([sys.executable, ROOT / "scripts/reprise", *words], env=environment, capture_output=True, text=True,
                              timeout=60, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout

    def listed(self):
        return [one["run"] for one in self.client.get("/api/dead?limit=100").json["dead"]]

    def test_are_listed_newest_first_with_reason_step_and_last_words(self):
        letters = self.client.get("/api/dead").json["dead"]
        self.assertEqual([one["run"] for one in letters], self.runs)
        self.assertEqual({(one["code"], one["step"]) for one in letters}, {("step_failed", "brittle")})
        self.assertIn("the last word", letters[0]["message"])
        self.assertEqual(self.stack.client("others").get("/api/dead").json, {"dead": []})
        self.assertEqual(json.loads(self.reprise("dead", "list", "--json"))["dead"], letters)

    def test_are_read_page_by_page_while_some_leave(self):
        first = self.client.get("/api/dead?limit=2").json
        self.assertEqual([one["run"] for one in first["dead"]], self.runs[:2])
        check_accepted(self.client.retry(self.runs[1]), of_retry=True)  # where the page ended
        second = self.client.get(f"/api/dead?limit=2&cursor={first['nextCursor']}").json
        self.assertEqual([one["run"] for one in second["dead"]], self.runs[2:4])
        last = self.client.get(f"/api/dead?limit=2&cursor={second['nextCursor']}").json
        self.assertEqual(([one["run"] for one in last["dead"]], "nextCursor" in last), (self.runs[4:], False))
        for bad in ("cursor=abc", "cursor=12-run", "limit=0", "limit=101"):
            check_error(self.client.get("/api/dead?" + bad), 400, "invalid_parameter")

    def test_of_one_millisecond_are_each_listed_once(self):
        for run in self.runs:
            self.stack.redis.call("ZADD", f"{P0}dead:{self.org}", 1000, run)
        seen, cursor = [], ""
        for _ in range(5):
            page = self.client.get("/api/dead?limit=1" + cursor).json
            seen += [one["run"] for one in page["dead"]]
            cursor = "&cursor=" + page.get("nextCursor", "")
        self.assertEqual(seen, sorted(self.runs, reverse=True))

    def test_leave_the_list_when_they_are_redriven_and_end_well(self):
        self.mended.touch()
        one = self.reprise("dead", "redrive", self.runs[2]).split()
        self.assertEqual(one[0], self.runs[2])
        self.assertEqual(self.stack.wait_status(one[1], "complete")["reason"], "redrive")
        self.assertEqual(self.reprise("dead", "redrive", self.runs[2]).split(), one, "asked twice, it is one redrive")
        self.assertEqual(self.listed(), [run for run in self.runs if run != self.runs[2]])
        rest = [json.loads(line) for line in self.reprise("--json", "dead", "redrive", "--all", "--reason", "mended").splitlines()]
        self.assertEqual({pair["dead"] for pair in rest}, set(self.listed() + [r for r in self.runs if r != self.runs[2]]))
        self.assertEqual(self.listed(), [])
        for pair in rest:
            self.stack.wait_status(pair["run"], "complete")

    def test_whose_inputs_are_gone_stay_and_the_others_are_redriven(self):
        self.mended.touch()
        other = check_accepted(self.client.start(DOCUMENT.replace("Small", "Another")), of_retry=False)["run"]["id"]
        self.stack.wait_status(other, "complete")
        sha, = kept(self.stack.run_hash(self.runs[0]))
        (self.stack.dir / "blobs" / self.org / sha[:2] / sha).unlink()
        self.assertEqual(self.reprise("dead", "redrive", "--all", status=1), "")
        self.assertEqual(self.listed(), self.runs)

    def test_a_retry_that_fails_again_is_a_dead_letter_of_its_own(self):
        again = check_accepted(self.client.retry(self.runs[0]), of_retry=True)["run"]["id"]
        self.stack.wait_status(again, "failed")
        self.assertEqual(self.listed(), [again, *self.runs[1:]])


if __name__ == "__main__":
    unittest.main()
