"""Commands that leave what nobody should read, breed without end, or look for secrets."""
import io
import json
import os
import stat
import tarfile
import unittest

from contract import check_accepted, check_run
from pipelines import DOCUMENT, NOOP, VERIFY, pipelines, shell
from process import wait_for
from stack import StackTest

ONE = [{"key": "a.txt", "path": "a"}]
ALL = [{"key": "all.tar.gz", "path": "a", "archive": True}]
FORK = "import os, time\nfor _ in range(400):\n    if os.fork() == 0:\n        break\nos.setsid()\ntime.sleep(600)\n"
ODD_FILES = """mkdir -p a/sub; echo x >a/sound; chmod 6777 a/sound; mkfifo a/pipe; ln -s /etc/passwd a/link
ln -s .. a/up
ln -s /dev/zero a/zero; echo y >'a/sub/two
lines'; echo z >a/-rf"""
LOOK = r"cat /proc/$PPID/environ | tr '\0' '\n'; env; ls /proc/self/fd; cat ../*/password ../../*.password; true"

# name: (step, how it ends)
CASES = {
    "a pipe": (shell("bad", "mkfifo a", artifacts=ONE), "step_output_missing"),
    "a socket": (shell("bad", "python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('a')\"", artifacts=ONE),
                 "step_output_missing"),
    "a device": (shell("bad", "ln -s /dev/zero a", artifacts=ONE), "step_output_missing"),
    "a directory": (shell("bad", "mkdir a; echo x >a/b", artifacts=ONE), "step_output_missing"),
    "an empty file": (shell("bad", ": >a", artifacts=ONE), "step_output_missing"),
    "10 GB": (shell("bad", "exec head -c 10G /dev/zero >a", artifacts=ONE, attempts=1), "step_killed"),
    "10 GB that are a hole": (shell("bad", "truncate -s 10G a", artifacts=ONE), "step_failed"),
    "65 MiB": (shell("bad", "truncate -s 65M a", artifacts=ONE), "step_output_limit"),
    "300 MiB in three files": (shell("bad", "mkdir a; truncate -s 100M a/b a/c a/d", artifacts=ALL),
                               "step_output_limit"),
    "a link to a directory": (shell("bad", "ln -s / a", artifacts=ALL), "step_output_missing"),
    "too many files": (shell("bad", "mkdir a; cd a; seq 20001 | xargs touch", artifacts=ALL), "step_output_limit"),
    "400 children that stay": ({"name": "bad", "argv": ["python3", "-c", FORK], "memoryMiB": 400,
                                "timeoutSeconds": 30, "attempts": 1}, "step_killed"),
    "odd files among sound ones": (shell("bad", ODD_FILES, artifacts=ALL), None),
    "a look for secrets": (shell("bad", LOOK), None),
}


class Commands(StackTest):
    options = {"pipelines": pipelines(VERIFY), "workers": 0, "concurrency": 1}

    def run_of(self, case):
        """The run with this case's step, by a worker of its own, which must outlive it."""
        step, _ = CASES[case]
        self.stack.pipelines.write_text(json.dumps(pipelines(VERIFY, step, NOOP)))
        worker = self.stack.start_worker()
        try:
            run = check_accepted(self.client.start(DOCUMENT, projectName=case), of_retry=False)["run"]["id"]
            self.stack.wait_status(run, seconds=40)
            wait_for("no process of the step is left", lambda: not self.stack.step_processes(), 5)
            self.assertTrue(worker.alive())
            self.assertEqual(worker.stop(), 0)
        finally:
            self.stack.workers.remove(worker)
            worker.kill()
        self.assertEqual(os.listdir(self.stack.dir / "scratch"), [])
        seen = self.client.get(f"/api/runs/{run}").json
        check_run(seen)
        return seen

    def setUp(self):
        self.client = self.stack.client()
        self.addCleanup(self.client.close)

    def download(self, run, key):
        answer = self.client.get(f"/api/artifacts/download?runId={run['id']}&key={key}")
        self.assertEqual(answer.status, 200, answer)
        return answer.body

    def test_what_is_no_artifact_fails_the_step_and_hangs_nobody(self):
        for case, (_, code) in CASES.items():
            if code:
                with self.subTest(case):
                    run = self.run_of(case)
                    self.assertEqual((run["status"], run["steps"][1]["error"]["code"]), ("failed", code),
                                     run["steps"][1])
                    self.assertNotIn("a.txt", [a["key"] for a in run["artifactManifest"]["artifacts"]])

    def test_an_archive_holds_plain_files_and_their_names_stay_below_it(self):
        run = self.run_of("odd files among sound ones")
        self.assertEqual(run["status"], "complete", run["steps"])
        with tarfile.open(fileobj=io.BytesIO(self.download(run, "all.tar.gz")), mode="r:gz") as archive:
            members = {member.name: member for member in archive.getmembers()}
        self.assertEqual(set(members), {"a/sound", "a/sub/two\nlines", "a/-rf"})
        for member in members.values():
            self.assertTrue(member.isfile())
            self.assertEqual(member.mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IWOTH), 0)

    def test_a_command_finds_no_secret_of_the_worker(self):
        secret = "a-password-that-nobody-must-see"
        os.environ["SECRET_OF_THE_WORKER"] = secret  # which a worker inherits
        self.addCleanup(os.environ.pop, "SECRET_OF_THE_WORKER")
        run = self.run_of("a look for secrets")
        log = self.download(run, "logs/bad.txt").decode()
        self.assertNotIn(secret, log)
        self.assertNotIn("socket:", log)
        self.assertIn("PATH=", log)

    def test_a_command_has_no_connection_of_the_worker(self):
        """Only standard streams are open, none of them a socket; what it opens itself is not prevented yet."""
        run = self.run_of("a look for secrets")
        numbers = [line for line in self.download(run, "logs/bad.txt").decode().split() if line.isdigit()
                   and len(line) < 3]
        self.assertLessEqual(set(numbers), {"0", "1", "2", "3"})


if __name__ == "__main__":
    unittest.main()
