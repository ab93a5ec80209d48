"""The client's commands for operators, as they are typed: what they print, what they do, and how they exit."""
import http.server
import json
import queue
import signal
import subprocess
import tempfile
import threading
import unittest
import urllib.request

from operating import CLIENT, HOSTILE, ClientTest
from process import wait_for
from stack import BIN, ROOT


class Operators(ClientTest):
    def tearDown(self):
        self.ops.post("/api/queue/resume")
        (self.side / "go").touch()
        wait_for("no run is left over", lambda: not any(self.stack.stats().get(n) for n in ("queued", "running")))
        (self.side / "go").unlink()

    def test_a_worker_is_listed_and_obeys(self):
        self.assertIn(self.worker.id, self.said("workers"))
        self.assertEqual([w["id"] for w in self.told("workers")["workers"]], [self.worker.id])
        self.ask("workers", "quiet", self.worker.id, "--reason", HOSTILE)
        wait_for("it is quiet", lambda: "quiet" in self.said("workers").split("\n")[1])
        self.assertEqual(self.told("workers", "resume", self.worker.id), {"worker": self.worker.id, "order": "resume"})
        wait_for("it works", lambda: "running" in self.said("workers").split("\n")[1])
        refused = self.ask("workers", "drain", "nobody", status=1)
        self.assertIn("worker_not_found", refused.stderr)
        self.ask("workers", "dance", self.worker.id, status=2)

    def test_a_worker_is_drained_and_one_is_stopped(self):
        for order in ("drain", "stop"):
            worker = self.stack.start_worker()
            self.ask("workers", order, worker.id)
            self.assertEqual(worker.child.wait(30), 0)

    def test_a_pause_is_made_shown_explained_and_ended(self):
        self.assertIn("night", self.said("pause", "--reason", HOSTILE))
        run = self.start(projectName="Bikes")
        wait_for("the pause holds", lambda: self.told("explain", run)["reason"] == "paused")
        self.assertRegex(self.said("explain", run), rf"{run}  queued: paused\n.*night")
        queue = self.said("queue")
        self.assertRegex(queue, r"queued +1")
        self.assertRegex(queue, r"paused +everything, since .*, by user:grace/.*night")
        self.assertEqual(self.told("queue")["paused"][0]["what"], "all")
        self.assertEqual(self.said("resume"), "nothing is paused\n")
        self.stack.wait_status(run, "running")

    def test_a_project_or_a_mode_is_paused_by_name(self):
        self.stack.wait_status(self.start(projectName="Held & kept"), "running")
        self.assertEqual([p["what"] for p in self.told("pause", "--project", "Held & kept")["paused"]], ["project"])
        self.assertIn("mode stainless_compatible", self.said("pause", "--mode", "stainless_compatible"))
        self.assertNotIn("project", self.said("resume", "--project", "Held & kept"))
        self.assertEqual(self.told("resume", "--mode", "stainless_compatible")["paused"], [])
        self.assertIn("project_not_found", self.ask("pause", "--project", "No such", status=1).stderr)
        self.ask("pause", "--project", "x", "--mode", "y", status=2)

    def test_a_name_that_two_organisations_have_pauses_neither(self):
        for client in (self.acme, self.stack.client("other")):
            self.start(client, projectName="Twins")
        self.assertIn("2 projects", self.ask("pause", "--project", "Twins", status=2).stderr)
        self.assertEqual(self.told("queue")["paused"], [])

    def test_scale_says_from_what_it_follows(self):
        text = self.said("scale", "--slo", "90", "--service", "7")
        self.assertRegex(text, r"to be started within +90 s")
        self.assertRegex(text, r"a run takes +7 s\n")
        self.assertEqual(self.told("scale", "--slo", "90")["inputs"]["sloSeconds"], 90)
        self.ask("scale", "--slo", "soon", status=2)

    def test_failures_acts_and_runs_are_found(self):
        run = self.start_failing()
        self.stack.wait_status(run, "failed")
        self.assertRegex(self.said("failures"), r"\d +brittle +step_failed ")
        self.stack.key("idle")
        self.assertEqual(self.told("failures", "--org", "idle")["groups"], [])
        self.assertIn(run, self.said("list", "--error", "step_failed", "--status", "failed", "--org", "*"))
        self.assertEqual([r["id"] for r in self.told("list", "--q", run)["runs"]], [run])
        self.assertEqual(self.told("list", "--org", "idle")["runs"], [])
        self.assertIn(run, self.said("dead", "list", "--org", "acme"))
        self.acme.retry(run, reason=HOSTILE)
        self.assertRegex(self.said("audit", "--limit", "1"), rf"user:\S+ +retry +run_\w+ +of {run}")
        self.assertEqual(len(self.told("audit", "--limit", "3")["acts"]), 3)

    def test_the_operators_key_is_for_operators_commands(self):
        theirs = self.start(self.stack.client("other"))
        self.assertNotIn(theirs, self.said("list"))
        self.assertIn(theirs, self.said("list", "--org", "other"))
        self.assertIn("REPRISE_OPS_KEY", self.ask("workers", status=1, REPRISE_OPS_KEY="").stderr)
        self.assertIn(self.worker.id, self.said("workers", REPRISE_OPS_KEY="", REPRISE_API_KEY=self.ops_key))
        self.ask("workers", status=2, REPRISE_OPS_KEY="", REPRISE_API_KEY="")
        self.ask("queue", status=3, REPRISE_URL="http://127.0.0.1:1")
        self.assertIn("REPRISE_OPS_KEY", self.said("--help"))
        for command in ("workers", "queue", "pause", "resume", "explain", "scale", "failures", "audit", "top", "list"):
            self.assertIn("usage: scripts/reprise " + command, self.said(command, "--help"))

    def test_a_watch_exits_with_what_came_of_the_run(self):
        (self.side / "go").touch()
        self.ask("watch", self.start(), "--exit-status")
        failed = self.start_failing()
        self.ask("watch", failed, "--exit-status", status=1)
        self.ask("watch", failed)


class Waves(ClientTest):
    RUNS = 8

    def setUp(self):
        (self.side / "mended").unlink(missing_ok=True)
        self.org = self._testMethodName[-30:]
        self.key, self.acme = self.stack.key(self.org, user="ada"), self.stack.client(self.org)
        self.failed = [self.start_failing() for _ in range(self.RUNS)]
        for run in self.failed:
            self.stack.wait_status(run, "failed")

    def retried(self):
        return len(self.acme.get("/api/runs?limit=100").json["runs"]) - self.RUNS

    def test_a_dry_run_only_counts(self):
        for words in ((), ("--failed",), ("--code", "step_failed", "--step", "brittle"), ("--org", self.org)):
            self.assertEqual(self.said("dead", "retry", "--dry-run", *words), f"{self.RUNS} would be retried\n")
        self.assertEqual(self.told("dead", "retry", "--dry-run", "--code", "poison_run"), {"matched": 0, "more": False})
        self.assertIn("invalid_body", self.ask("dead", "retry", "--rate", "1000", status=1).stderr)
        self.assertEqual(self.retried(), 0)

    def test_a_wave_is_followed_to_its_end(self):
        (self.side / "mended").touch()
        done = self.ask("dead", "retry", "--rate", "100", "--reason", HOSTILE)
        self.assertIn(f"done: {self.RUNS} of {self.RUNS} retried, at 100 per second\n", done.stderr)
        self.assertRegex(done.stderr, r"^canary of 1: ")
        self.assertIn(done.stdout.strip(), self.said("dead", "waves"))
        self.assertEqual((self.retried(), self.said("dead", "list").count("\n")), (self.RUNS, 1))

    def test_a_canary_that_fails_ends_the_wave_badly(self):
        wave = self.told("dead", "retry", "--canary", "2", status=1)["bulk"]
        self.assertEqual((wave["state"], wave["retried"]), ("canary_failed", 2))

    def test_ctrl_c_stops_the_wave_on_the_server(self):
        (self.side / "mended").touch()
        child = self.begin("dead", "retry", "--canary", "0", "--rate", "1")
        wave = child.stdout.readline().strip()
        self.assertRegex(child.stderr.readline(), r": \d of 8 retried")
        child.send_signal(signal.SIGINT)
        self.assertRegex(child.communicate(timeout=30)[1], r"stopped: \d of 8 retried")
        self.assertEqual(child.returncode, 130)
        self.assertEqual(self.acme.get(f"/api/bulk/{wave}").json["bulk"]["state"], "stopped")

    def test_one_that_is_left_goes_on_and_is_found_again(self):
        (self.side / "mended").touch()
        wave = self.said("dead", "retry", "--detach", "--rate", "4", "--canary", "0", "--org", self.org).strip()
        follower = self.begin("dead", "follow", wave)
        self.assertRegex(follower.stderr.readline(), r": \d of 8 retried")
        follower.send_signal(signal.SIGINT)
        self.assertEqual(follower.wait(30), 130)
        self.assertIn("done: 8 of 8", self.ask("dead", "follow", wave).stderr)
        self.assertEqual(self.told("dead", "stop", wave)["bulk"]["state"], "done")


class Interrupted(unittest.TestCase):
    """Ctrl-C while the wave is being made: an API that sends it before it answers."""

    def test_a_wave_whose_name_was_not_known_yet_is_stopped_too(self):
        asked, started = [], queue.Queue()

        class Answers(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                asked.append(self.path)
                if self.path == "/api/bulk":
                    child = started.get(timeout=20)
                    child.send_signal(signal.SIGINT)
                body = json.dumps({"bulk": {"id": "blk_1", "state": "stopped", "matched": 9, "retried": 0, "refused": 0, "canary": 1,
                                            "canaryFailed": 0, "rate": 5}}).encode()
                self.send_response(202)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words):
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Answers) as server:
            serving = threading.Thread(target=server.serve_forever)
            serving.start()
            try:
                child = subprocess.Popen([*CLIENT, "dead", "retry"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                         env={"REPRISE_URL": f"http://127.0.0.1:{server.server_port}", "REPRISE_API_KEY": "k"})
                started.put(child)
                said = child.communicate(timeout=30)
            finally:
                server.shutdown()
                serving.join()
        self.assertEqual((child.returncode, asked), (130, ["/api/bulk", "/api/bulk/blk_1/stop"]), said)


class LocalStack(unittest.TestCase):
    def test_up_makes_an_operators_key_and_keeps_it(self):
        with tempfile.TemporaryDirectory(prefix="rp-") as state:
            self.addCleanup(subprocess.run, [ROOT / "scripts/down", "--state", state], capture_output=True, check=False)
            keys = []
            for _ in range(2):
                up = subprocess.run([ROOT / "scripts/up", "--port", "0", "--workers", "0", "--state", state, "--bin", BIN],
                                    capture_output=True, text=True, timeout=100, check=False)
                self.assertEqual(up.returncode, 0, up.stderr)
                lines = dict(line.split("=", 1) for line in up.stdout.splitlines() if "=" in line)
                ask = urllib.request.Request(lines["REPRISE_URL"] + "/api/me",
                                             headers={"Authorization": "Bearer " + lines["REPRISE_OPS_KEY"]})
                with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(ask, timeout=20) as answer:
                    self.assertEqual(json.load(answer)["scopes"], ["ops:read", "ops:write"])
                found = subprocess.run([*CLIENT, "--state", state, "queue", "--json"], capture_output=True, text=True, timeout=20,
                                       check=False)
                self.assertEqual(json.loads(found.stdout)["queued"], 0, found.stderr)
                down = subprocess.run([ROOT / "scripts/down", "--state", state], capture_output=True, text=True, timeout=60,
                                      check=False)
                self.assertEqual(down.returncode, 0, down.stderr)
                keys.append(lines["REPRISE_OPS_KEY"])
            self.assertEqual(keys[0], keys[1])


if __name__ == "__main__":
    unittest.main()
