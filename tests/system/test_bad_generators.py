"""Commands that are missing, fail, hang, flood, breed or grow: a clear step each, no process left, the worker alive."""
import contextlib
import json
import time
import unittest

from contract import check_accepted, check_run
from pipelines import DOCUMENT, NOOP, VERIFY, pipelines, shell
from stack import P0, StackTest, wait_for

# Prints where it is being looked for; a double fork with a session of its own, deaf to TERM, HUP and INT.
BREED = """
import os, signal, sys, time
open(sys.argv[1], "a").close()
for n in range(4):
    if os.fork() == 0:
        os.setsid()
        for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(s, signal.SIG_IGN)
        if os.fork() > 0 and n % 2:
            os._exit(0)
        for fd in range(3):
            os.close(fd)
        open(sys.argv[1], "a").write("%d\\n" % os.getpid())
        time.sleep(600)
while len(open(sys.argv[1]).read().split()) < 6:
    time.sleep(0.01)
if sys.argv[2] == "hang":
    time.sleep(600)
"""
GROW = """
import time
kept = []
while True:
    kept.append(bytearray(b"x" * (8 << 20)))
    time.sleep(0.005)
"""


class BadGenerators(StackTest):
    options = {"pipelines": pipelines(VERIFY, NOOP), "workers": 0, "settings": ("--sweep", 200)}

    @classmethod
    def prepare(cls):
        cls.side = cls.stack.dir / "side"
        for name, text in (("breed.py", BREED), ("grow.py", GROW)):
            (cls.side / name).write_text(text)
        cls.client, cls.all_steps = cls.stack.client(), cls.steps(cls.side)
        cls.tools = {"absent": str(cls.side / "absent-tool")}

    @staticmethod
    def steps(side):
        return {
            "exits with 3": shell("bad", "echo out; echo first >&2; echo 'the last word' >&2; exit 3"),
            "is not there": {"name": "bad", "argv": ["/nowhere/at-all"]},
            "asks twice to be tried again": shell(
                "bad", f"echo x >>{side}/tries; test $(wc -l <{side}/tries) -gt 2 || exit 75", attempts=3),
            "always asks to be tried again": shell("bad", f"echo x >>{side}/all-tries; exit 75", attempts=2),
            "hangs": shell("bad", "echo waiting; sleep 600", timeoutSeconds=1, attempts=1),
            "floods": shell("bad", "exec yes a long line of output that says nothing at all", attempts=1, timeoutSeconds=60),
            "leaves no artifact": shell("bad", "true", artifacts=[{"key": "a", "path": "a"}]),
            "leaves a link for an artifact": shell("bad", "ln -s /etc/passwd a", artifacts=[{"key": "a", "path": "a"}]),
            "leaves an empty directory": shell("bad", "mkdir a", artifacts=[{"key": "a", "path": "a", "archive": True}]),
            "breeds and exits": {"name": "bad", "argv": ["python3", f"{side}/breed.py", f"{side}/bred-exit", "exit"]},
            "breeds and hangs": {"name": "bad", "argv": ["python3", f"{side}/breed.py", f"{side}/bred-hang", "hang"],
                                 "timeoutSeconds": 2, "attempts": 1},
            "kills itself": shell("bad", "echo about to; kill -KILL $$", attempts=1),
            "kills its group": shell("bad", "kill -KILL 0", attempts=1),
            "kills the process above it": shell("bad", "kill -KILL $PPID; sleep 600", attempts=1, timeoutSeconds=20),
            "grows": {"name": "bad", "argv": ["python3", f"{side}/grow.py"], "memoryMiB": 200, "attempts": 1,
                      "timeoutSeconds": 60},
            "talks at length": shell("bad", "echo THE BEGINNING; head -c 1000000 /dev/zero | tr '\\0' x; echo; echo THE END"),
            "writes binary": shell("bad", "head -c 3000 /dev/urandom; printf '\\n\\377\\376 end' >&2; exit 1"),
            "looks at its surroundings": shell("bad", "env; pwd; id -u; ls -l /proc/self/fd"),
            "takes away its own permissions": shell("bad", "mkdir -p a/b && chmod 000 a/b a"),
            "is optional": shell("bad", "exit 1", required=False),
        }

    @contextlib.contextmanager
    def worker(self, *steps):
        """A worker of its own for each pipeline."""
        self.stack.pipelines.write_text(json.dumps(pipelines(*steps, tools=self.tools, stainless_compatible=[VERIFY, NOOP])))
        worker = self.stack.start_worker()
        try:
            yield worker
            self.assertEqual(worker.stop(), 0)
        finally:
            self.stack.workers.remove(worker)
            worker.kill()
        self.assertEqual(list((self.stack.dir / "scratch").iterdir()), [])

    def outcome(self, case, status, end_within=20):
        """A run with this case's step; its worker must be alive and fit afterwards."""
        with self.worker(VERIFY, self.all_steps[case], NOOP) as worker:
            return self.outcome_by(worker, case, status, end_within)

    def outcome_by(self, worker, case, status, end_within):
        body = check_accepted(self.client.start(DOCUMENT, projectName=case), of_retry=False)
        self.stack.wait_status(body["run"]["id"], status, seconds=end_within)
        wait_for("no process of the step is left", lambda: not self.stack.step_processes(), 1)
        self.assertTrue(worker.alive())
        good = check_accepted(self.client.start(DOCUMENT, mode="stainless_compatible", configText="a: 1"), of_retry=False)
        self.assertEqual(self.stack.wait_status(good["run"]["id"], "complete")["worker"], worker.id)
        run = self.client.get(f"/api/runs/{body['run']['id']}").json
        check_run(run)
        self.assertNotIn("Sanitizer", self.log(run))  # a keeper's report goes where its command's output goes
        self.assertEqual(len([p for p in self.stack.redis.call("XRANGE", P0 + "dead", "-", "+") if run["id"] in p[1]]),
                         int(status == "failed"))
        return run, run["steps"][1]

    def failed(self, case, code, word, attempts=1):
        run, step = self.outcome(case, "failed")
        self.assertEqual((step["status"], step["attempt"], step["error"]["code"]), ("failed", attempts, code), step)
        self.assertIn(word, step["error"]["message"])
        self.assertEqual(len(run["steps"]), 2, "a step began after a required one had failed")
        self.assertIn(step["error"]["message"].split(":")[0], self.log(run))
        return step

    def log(self, run):
        answer = self.client.get(f"/api/artifacts/download?runId={run['id']}&key=logs/bad.txt")
        self.assertEqual(answer.status, 200, answer)
        return answer.body.decode()

    def test_one_that_exits_with_an_error_fails_with_its_own_last_words(self):
        step = self.failed("exits with 3", "step_failed", "the last word")
        self.assertEqual(step["error"]["exitCode"], 3)

    def test_one_whose_program_is_not_there_fails_with_its_name(self):
        self.failed("is not there", "step_failed", "/nowhere/at-all")

    def test_one_that_asks_to_be_tried_again_is_and_ends_well(self):
        _, step = self.outcome("asks twice to be tried again", "complete")
        self.assertEqual((step["status"], step["attempt"]), ("completed", 3))
        self.assertEqual((self.side / "tries").read_text(), "x\nx\nx\n")

    def test_one_that_always_asks_to_be_tried_again_fails_when_its_attempts_are_used_up(self):
        self.failed("always asks to be tried again", "step_temporary", "75", attempts=2)
        self.assertEqual((self.side / "all-tries").read_text(), "x\nx\n")

    def test_one_that_hangs_is_ended(self):
        self.failed("hangs", "step_timeout", "1 s")

    def test_one_that_floods_is_ended_quickly(self):
        began = time.monotonic()
        self.failed("floods", "step_output_limit", "64 MiB")
        self.assertLess(time.monotonic() - began, 20)

    def test_one_that_leaves_no_artifact_fails(self):
        self.failed("leaves no artifact", "step_output_missing", "a")
        self.failed("leaves a link for an artifact", "step_output_missing", "a")
        self.failed("leaves an empty directory", "step_output_missing", "a")

    def test_children_in_sessions_of_their_own_that_ignore_term_go_with_it(self):
        self.outcome("breeds and exits", "complete")
        self.failed("breeds and hangs", "step_timeout", "2 s")
        for name in ("bred-exit", "bred-hang"):
            self.assertEqual(len((self.side / name).read_text().split()), 6)

    def test_one_that_is_killed_says_by_which_signal(self):
        step = self.failed("kills itself", "step_killed", "9")
        self.assertEqual(step["error"]["signal"], 9)
        self.failed("kills its group", "step_killed", "9")

    def test_one_that_kills_its_keeper_goes_with_it(self):
        self.failed("kills the process above it", "step_killed", "9")

    def test_one_that_grows_over_its_memory_is_ended(self):
        self.failed("grows", "step_killed", "200 MiB")

    def test_a_long_log_keeps_its_beginning_and_its_end(self):
        run, _ = self.outcome("talks at length", "complete")
        log = self.log(run)
        self.assertTrue(log.startswith("THE BEGINNING\n"), log[:40])
        self.assertRegex(log, r"x\nTHE END\n\[exited with 0\]\n$")
        self.assertRegex(log, r"\[\.\.\. \d+ bytes left out \.\.\.\]")
        self.assertLess(len(log), 300_000)

    def test_bytes_that_are_no_text_become_a_readable_log(self):
        self.failed("writes binary", "step_failed", "end")

    def test_a_command_sees_nothing_of_the_workers_environment_or_files(self):
        run, _ = self.outcome("looks at its surroundings", "complete")
        log = self.log(run)
        names = {line.split("=")[0] for line in log.splitlines() if "=" in line}
        self.assertLessEqual(names, {"PATH", "HOME", "TMPDIR", "LANG", "NO_COLOR", "REDOCLY_TELEMETRY", "TRACEPARENT",
                                     "PWD", "SHLVL", "OLDPWD", "_"})
        self.assertIn(f"{self.stack.dir}/scratch/", log)
        self.assertNotIn("socket:", log)

    def test_a_directory_that_cannot_be_entered_is_removed_all_the_same(self):
        self.outcome("takes away its own permissions", "complete")

    def test_an_optional_one_that_fails_lets_the_run_go_on(self):
        run, step = self.outcome("is optional", "complete")
        self.assertEqual((step["status"], step["required"], run["verdict"]), ("failed", False, "not_ready"))
        self.assertEqual(run["steps"][2]["status"], "completed")

    def test_a_tool_that_is_on_no_worker_blocks_the_run_until_it_is_there(self):
        tool = self.side / "absent-tool"
        count = self.side / "count"
        self.addCleanup(tool.unlink, missing_ok=True)
        with self.worker(VERIFY, shell("count", f"echo x >>{count}"), {"name": "bad", "tool": "absent", "argv": ["{tool}"]}):
            run = check_accepted(self.client.start(DOCUMENT), of_retry=False)["run"]["id"]
            record = self.stack.wait_status(run, "blocked")
            self.assertEqual((record["where"], record["tool"]), ("parked", "absent"))
            seen = self.client.get(f"/api/runs/{run}").json
            check_run(seen)
            self.assertEqual((seen["verdict"], seen["steps"][2]["status"]), ("needs_setup", "blocked"))
            self.assertEqual(seen["steps"][2]["error"]["code"], "tool_missing")
            self.assertIn("absent", seen["steps"][2]["error"]["message"])
            self.assertEqual(self.stack.stats()["blocked"], 1)
            tool.write_text("#!/bin/sh\necho here I am\n")
            tool.chmod(0o755)
            self.stack.wait_status(run, "complete", seconds=10)
            seen = self.client.get(f"/api/runs/{run}").json
            check_run(seen)
            self.assertEqual([(s["status"], s["attempt"]) for s in seen["steps"]], [("completed", 1)] * 3)
            self.assertNotIn("error", seen["steps"][2])
            self.assertEqual((count.read_text(), self.stack.stats()["blocked"]), ("x\n", 0))


if __name__ == "__main__":
    unittest.main()
