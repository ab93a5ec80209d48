"""Every answer of a whole scenario keeps to the contract as it was given, judged by a validator that is not ours (Ajv)."""
import json
import pathlib
import subprocess
import unittest

from client import Api
from contract import check_accepted
from pipelines import DOCUMENT, VERIFY, pipelines, shell
from retrying import another_id
from stack import P0, TOOLCHAIN, StackTest, wait_for

SEED = pathlib.Path(__file__).resolve().parent / "seed"
GATE = shell("gate", 'while ! test -e "$0/go"; do sleep 0.05; done; echo made >a', artifacts=[{"key": "a.txt", "path": "a"}])
PIPELINES = pipelines(VERIFY, GATE, stainless_compatible=[VERIFY, shell("brittle", "echo why >&2; exit 1")])


class SeedContract(StackTest):
    options = {"pipelines": PIPELINES, "workers": 0, "concurrency": 1}

    def setUp(self):
        self.answers, self.client = [], self.stack.client()
        self.side = self.stack.dir / "side"
        self.stack.pipelines.write_text(self.stack.pipelines.read_text().replace("$0", str(self.side)))

    def note(self, what, schema, value):
        self.answers.append({"what": what, "schema": schema, "value": value})

    def read(self, what, run, status):
        value = self.client.get(f"/api/runs/{run}").json
        self.assertEqual(value["status"], status, value)
        self.note(what, "Run", value)

    def retried(self, what, run, **fields):
        answer = self.client.retry(run, **fields)
        self.note(what, "Accepted", check_accepted(answer, of_retry=True))
        return answer.json["run"]["id"]

    def refused(self, status, answer):
        self.assertEqual(answer.status, status, answer)
        self.note(f"a refusal with {status}", "Error", answer.json)

    def wrong(self):
        file = self.stack.dir / "answers.json"
        file.write_text(json.dumps(self.answers))
        done = subprocess.run(["node", SEED / "validate.cjs", TOOLCHAIN, SEED / "contract.json", file], capture_output=True,
                              text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.splitlines()

    def test_every_answer_is_what_was_asked_for(self):
        client, run = self.client, check_accepted(self.client.start(DOCUMENT, notes="n"), of_retry=False)["run"]["id"]
        self.read("queued, and no worker", run, "queued")
        waiting = self.retried("a retry of what is queued", run, reason="why not")
        client.post(f"/api/runs/{waiting}/cancel")
        self.read("canceled", waiting, "canceled")
        self.stack.start_worker()
        self.stack.wait_status(run, "running")
        self.retried("a retry of what is running", run)
        wait_for("its step", lambda: client.get(f"/api/runs/{run}").json.get("currentStep") == "gate")
        self.read("running", run, "running")
        (self.side / "go").touch()
        self.stack.wait_status(run, "complete")
        self.read("complete", run, "complete")
        again = self.retried("a retry of what is complete", run)
        self.stack.wait_status(again, "complete")
        failed = client.start(DOCUMENT, mode="stainless_compatible", configText="{}").json["run"]["id"]
        self.stack.wait_status(failed, "failed")
        self.read("failed", failed, "failed")
        self.retried("a retry of what has failed", failed)
        for field, old in (("mode", "openapi"), ("status", "expired")):
            self.stack.redis.call("HSET", f"{P0}run:{again}", field, old)
        self.read("expired, of an old mode", again, "expired")
        for value in client.get("/api/runs?limit=100").json["runs"]:
            self.note("one of a list", "Run", value)
        for value in client.get("/api/projects").json["projects"]:
            self.note("one of a list", "Project", value)
        self.refusals(run)
        self.assertEqual(self.wrong(), [])
        self.assertGreater(len(self.answers), 20)

    def refusals(self, run):
        retry = f"/api/runs/{run}/retry"
        self.refused(401, Api(self.stack.port).post(retry))
        self.refused(403, self.stack.client(scopes="runs:read").post(retry))
        self.refused(404, self.client.retry(another_id(run)))
        self.refused(400, self.client.post(retry, body="[]"))
        self.stack.admin("orgs", "set", "acme", "--runs-per-month", "1")
        self.refused(402, self.client.retry(run))
        self.stack.admin("orgs", "set", "acme", "--runs-per-month", "unlimited")
        for blob in (self.stack.dir / "blobs/acme").glob("*/*"):
            blob.unlink()
        self.refused(422, self.client.retry(run))

    def test_the_validator_notices_what_is_wrong(self):
        self.note("a field that is not named", "Error", {"error": "x", "code": 1})
        self.note("a field that is missing", "Accepted", {"project": {"id": "p", "name": "n", "createdAt": "t"}})
        self.note("another status", "Run", {"id": "r", "projectId": "p", "status": "done", "createdAt": "t"})
        self.note("null", "Project", {"id": "p", "name": "n", "createdAt": "t", "apiName": None})
        self.assertEqual(len(self.wrong()), 4)


if __name__ == "__main__":
    unittest.main()
