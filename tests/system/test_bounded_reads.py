"""What a GET asks of Redis does not grow with the number of runs: no command whose cost does, and as many commands with 400 runs as
with 50."""
import json
import re
import unittest

from bounded import complaint
from contract import check_accepted
from pipelines import DOCUMENT, VERIFY, pipelines, shell
from process import wait_for
from stack import P0, ROOT, StackTest
from watching import Monitor

FAILS = shell("brittle", "exit 3", attempts=1)
LEAVES = shell("leave", "echo 1 >one", artifacts=[{"key": "one.txt", "path": "one", "contentType": "text/plain"}])
FEW, MANY = 50, 400
TRIES = 4        # of each call: what the API does by itself meanwhile makes some of them look dearer
OF_ITSELF = ("sweep", "bulk_take", "bulk_done", "drop_if_due")  # functions that no GET calls
ENDLESS = {"/api/feed", "/api/runs/{runId}/events"}  # seen by the tests of watching


class BoundedReads(StackTest):
    """The API sweeps once in a minute, and the registry is looked at as rarely: what is seen is what calls ask for."""
    maxDiff = None
    options = {"pipelines": pipelines(VERIFY, LEAVES, stainless_compatible=[VERIFY, FAILS]), "workers": 0, "concurrency": 8,
               "settings": ("--sweep", 60000, "--lease", 180000), "serve": ("--rate", 0)}

    @classmethod
    def prepare(cls):
        cls.client, cls.ops = cls.stack.client(), cls.stack.client("*", "ops:read,ops:write")
        cls.runs = {"complete": [], "failed": [], "canceled": [], "queued": []}

    def start(self, client=None, **fields):
        return check_accepted((client or self.client).start(DOCUMENT, projectName="all", **fields), of_retry=False)["run"]["id"]

    def grow(self, size):
        """As many runs of each of four ends, and half of those that succeed retry one source. What was queued is worked on."""
        fresh = {status: [] for status in self.runs}
        for n in range(size // 4 - len(self.runs["failed"])):
            source = self.runs["complete"][:1] or fresh["complete"][:1]
            again = source and n % 2
            fresh["complete"].append(self.client.retry(source[0]).json["run"]["id"] if again else self.start())
            fresh["failed"].append(self.start(mode="stainless_compatible", configText="a: 1"))
        worker = self.stack.start_worker()
        for status in ("complete", "failed"):
            for run in fresh[status]:
                self.stack.wait_status(run, status)
        worker.stop()
        for _ in fresh["complete"]:
            fresh["canceled"].append(self.start())
            self.client.post(f"/api/runs/{fresh['canceled'][-1]}/cancel")
        for status, runs in fresh.items():
            self.runs[status] += runs
        self.runs["queued"] = [self.start() for _ in range(size // 4)]

    def calls(self, client):
        """Every GET that the document names, with each of its filters: the path in the document -> those that are asked for."""
        run, dead, waiting = (self.runs[status][0] for status in ("complete", "failed", "queued"))
        project = self.client.get(f"/api/runs/{run}").json["projectId"]
        bulk = self.stack.redis.call("ZRANGE", P0 + "bulks:acme", 0, 0)[0]
        lists = [f"status={status}" for status in self.runs] + [
            "", f"projectId={project}", "error=step_failed", f"sourceRunId={run}", "q=all", f"q={run}", f"q={project}",
            f"projectId={project}&status=failed", f"sourceRunId={run}&status=complete", "error=step_failed&status=failed"]
        calls = {"/api/runs": ["/api/runs?limit=5&" + words for words in lists] + ["/api/runs"],
                 "/api/runs/{runId}": [f"/api/runs/{one}" for one in (run, dead, waiting)],
                 "/api/runs/{runId}/retry": [f"/api/runs/{run}/retry"],
                 "/api/runs/{runId}/explain": [f"/api/runs/{one}/explain" for one in (run, waiting, self.runs["queued"][5])],
                 "/api/runs/{runId}/history": [f"/api/runs/{run}/history"],
                 "/api/projects/{projectId}": [f"/api/projects/{project}"], "/api/bulk/{bulkId}": [f"/api/bulk/{bulk}"],
                 "/api/artifacts/download": [f"/api/artifacts/download?runId={run}&key=one.txt"],
                 "/dashboard/{asset}": re.findall(r'(?:src|href)="(/dashboard/[^"]+)"', client.get("/dashboard/").body.decode()),
                 "/api/dead": ["/api/dead?limit=5"], "/api/audit": ["/api/audit?limit=5"],
                 "/api/history": ["/api/history", "/api/history?span=week"], "/api/scale": ["/api/scale", "/api/scale?slo=5"]}
        for path in ("/api/runs?limit=2", f"/api/runs?limit=2&projectId={project}", "/api/runs?limit=2&status=failed"):
            calls["/api/runs"].append(f"{path}&cursor={client.get(path).json['nextCursor']}")
        return calls

    def asked(self, client, path, statuses):
        """The fewest commands that one call of it took, and all of them checked."""
        fewest = None
        for _ in range(TRIES):
            with Monitor(self.stack) as seen:
                answer = client.get(path)
            self.assertIn(answer.status, statuses, f"{path}: {answer}")
            commands = [words for words in seen.commands if not words[0].upper().startswith("FCALL")]
            commands += [words for caller, words in seen.inner if not caller[1].endswith(OF_ITSELF)]
            for words in commands:
                self.assertIsNone(complaint(words), f"GET {path} asks for {' '.join(words)[:200]}")
            fewest = commands if fewest is None else min(fewest, commands, key=len)
        return fewest

    def measured(self):
        out, documented = {}, json.loads((ROOT / "api/openapi.json").read_text())["paths"]
        for who, client, statuses in (("org", self.client, (200, 403)), ("ops", self.ops, (200,))):
            calls = self.calls(client)
            for path in (path for path, item in documented.items() if "get" in item and path not in ENDLESS):
                self.assertTrue("{" not in path or calls.get(path), f"no call of {path} is known here")
                for n, call in enumerate(calls.get(path, [path])):
                    out[who, path, n] = call, self.asked(client, call, statuses)
        return out

    def test_no_get_asks_for_more_when_there_are_more_runs(self):
        self.grow(FEW)
        bulk = self.client.post("/api/bulk", {"of": "failed", "code": "no_such_code"}).json["bulk"]["id"]
        wait_for("the wave is over", lambda: self.client.get(f"/api/bulk/{bulk}").json["bulk"]["state"] == "done", 90)
        self.runs["queued"] += [self.start() for _ in range(5)]  # the latest that was done is to start runs, as it is with many
        few = self.measured()
        self.grow(MANY)
        many = self.measured()
        differ = [f"{who} {call}: {len(few[who, path, n][1])}, {len(commands)}, such as {commands[:3]}"
                  for (who, path, n), (call, commands) in many.items() if len(few[who, path, n][1]) != len(commands)]
        self.assertEqual(differ, [], "commands with few and with many runs")


if __name__ == "__main__":
    unittest.main()
