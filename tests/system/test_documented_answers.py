"""Real answers, each held to the OpenAPI document: what works, what is refused, and what cannot be done just now."""
import concurrent.futures
import json
import re
import unittest

from documented import FILE, Document, DocumentedApi
from pipelines import DOCUMENT, VERIFY, pipelines, shell
from stack import Stack, StackTest

ONE_ARTIFACT = shell("hello", "printf 'hello, world' > hello.txt",
                     artifacts=[{"key": "reports/hello.txt", "path": "hello.txt", "contentType": "text/plain"}])
FAILS = shell("fails", "echo no >&2; exit 3", attempts=1)
BODY = json.dumps({"openapiText": DOCUMENT, "of": "dead"})  # of no call all fields
NOBODY, NO_PROJECT, NO_BULK = ("".join((kind, "_00", "0" * 26)) for kind in ("run", "prj", "blk"))


class Answers(StackTest):
    options = {"pipelines": pipelines(VERIFY, ONE_ARTIFACT, stainless_compatible=[VERIFY, FAILS])}

    @classmethod
    def prepare(cls):
        cls.document = Document()
        cls.api = cls.client()
        cls.run_id = cls.done(cls.api.start(DOCUMENT, openapiFileName="small.json", notes="n", projectName="first"))
        cls.operator = cls.client("*", "ops:read,ops:write")
        cls.bulk_id = cls.api.post("/api/bulk", {"of": "dead", "code": "no_such_code"}).json["bulk"]["id"]
        cls.failed_id = cls.done(
            cls.api.start(DOCUMENT, mode="stainless_compatible", configText="{}", projectName="second"))

    @classmethod
    def client(cls, *args, **more):
        return DocumentedApi(cls.stack.port, cls.stack.key(*args, **more), cls.document)

    @classmethod
    def done(cls, answer):
        assert answer.status == 202, answer
        cls.stack.wait_status(answer.json["run"]["id"])
        return answer.json["run"]["id"]

    def got(self, status, method, path, *args, **more):
        answer = self.api.call(method, path, *args, **more)
        self.assertEqual(answer.status, status, answer)
        return answer

    def targets(self):
        """(method, a target that exists, operation) of every operation."""
        query = {"/api/artifacts/download": f"?runId={self.run_id}&key=input.openapi"}
        project = self.api.get("/api/projects").json["projects"][0]["id"]
        asset = re.search(r"/dashboard/(app-\w+\.js)", self.api.get("/dashboard/").body.decode())[1]
        for (method, path), operation in self.document.operations.items():
            there = {"runId": self.run_id, "projectId": project, "bulkId": self.bulk_id, "workerId": self.stack.workers[0].id,
                     "order": "resume", "asset": asset}
            yield method, path.format(**there) + query.get(path, ""), operation

    def api_for(self, operation):
        """Who has the scope."""
        is_operators = any(scope.startswith("ops:") for rule in operation["security"] for scope in rule["bearer"])
        return self.operator if is_operators else self.api

    def test_the_served_document_is_the_file(self):
        for headers in ({}, {"Authorization": "Bearer nonsense"}):
            answer = self.got(200, "GET", "/openapi.json", headers=headers)
            self.assertEqual(answer.body, FILE.read_bytes())
            self.assertEqual(answer.headers["Content-Type"], "application/json")

    def test_a_path_takes_the_documented_methods_and_no_other(self):
        for path in self.document.tree["paths"]:
            target = path.format(runId=self.run_id, projectId=NO_PROJECT, bulkId=NO_BULK, workerId="nobody", order="quiet", asset="none")
            methods = {method for method, its in self.document.operations if its == path}
            wanted = methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
            for method in ("DELETE", "PUT", "PATCH", "OPTIONS"):
                answer = super(DocumentedApi, self.api).call(method, target)  # of no operation: nothing to hold it to
                self.assertEqual(answer.status, 204 if method == "OPTIONS" else 405, path)
                self.assertEqual(set(answer.headers["Allow"].split(", ")), wanted, path)

    def test_a_head_is_answered_like_a_get(self):
        for method, target, operation in self.targets():
            if method == "GET":
                answer = self.api_for(operation).call("HEAD", target)
                self.assertEqual((answer.status, answer.body), (200, b""), target)

    def test_a_run_is_read_listed_and_held(self):
        run = self.got(200, "GET", f"/api/runs/{self.run_id}")
        etag = {"If-None-Match": run.headers["ETag"]}
        self.got(304, "GET", f"/api/runs/{self.run_id}", headers=etag)
        held = self.got(304, "GET", f"/api/runs/{self.run_id}", headers={**etag, "Prefer": "wait=5"})
        self.assertEqual(held.headers["Preference-Applied"], "wait=5")
        self.got(200, "GET", f"/api/runs/{self.failed_id}")
        page = self.got(200, "GET", "/api/runs?limit=1")
        self.assertIn('rel="next"', page.headers["Link"])
        self.got(200, "GET", f"/api/runs?limit=1&cursor={page.json['nextCursor']}")
        for status in self.document.tree["components"]["schemas"]["Run"]["properties"]["status"]["enum"]:
            self.got(200, "GET", f"/api/runs?status={status}")

    def test_projects_and_dead_letters_are_read_and_listed(self):
        page = self.got(200, "GET", "/api/projects?limit=1")
        self.assertIn('rel="next"', page.headers["Link"])
        self.got(200, "GET", f"/api/projects/{page.json['projects'][0]['id']}")
        self.assertIn(self.failed_id, [letter["run"] for letter in self.got(200, "GET", "/api/dead").json["dead"]])

    def test_a_retry_is_previewed_accepted_and_replayed(self):
        path = f"/api/runs/{self.run_id}/retry"
        self.assertTrue(self.got(200, "GET", path).json["retryable"])
        key = {"Idempotency-Key": "once", "traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01"}
        first = self.got(202, "POST", path, {"reason": "r"}, headers=key)
        self.done(first)
        again = self.got(202, "POST", path, {"reason": "r"}, headers=key)
        self.assertEqual(again.headers["Idempotent-Replayed"], "true")
        self.assertEqual(again.json["run"]["id"], first.json["run"]["id"])
        self.got(409, "POST", path, {"reason": "another"}, headers=key)
        self.got(400, "POST", path, {"reason": "another"}, headers={"Idempotency-Key": "a b"})
        self.done(self.got(202, "POST", path))
        self.got(200, "GET", f"/api/runs?sourceRunId={self.run_id}")

    def test_a_run_that_has_ended_is_not_canceled(self):
        self.got(409, "POST", f"/api/runs/{self.run_id}/cancel", {"reason": "r"})

    def test_events_are_told_and_end(self):
        path = f"/api/runs/{self.run_id}/events"
        told = self.got(200, "GET", path)
        last = told.body.decode().rpartition("id: ")[2].partition("\n")[0]
        self.got(204, "GET", path, headers={"Last-Event-ID": last})

    def test_artifacts_are_downloaded_whole_in_part_and_not_again(self):
        path = f"/api/artifacts/download?runId={self.run_id}&key=reports/hello.txt"
        whole = self.got(200, "GET", path)
        self.assertEqual(whole.body, b"hello, world")
        self.assertEqual(self.got(206, "GET", path, headers={"Range": "bytes=0-4"}).body, b"hello")
        self.got(416, "GET", path, headers={"Range": "bytes=100-"})
        self.got(304, "GET", path, headers={"If-None-Match": whole.headers["ETag"]})
        self.got(404, "GET", f"/api/artifacts/download?runId={self.run_id}&key=nothing")
        self.got(400, "GET", f"/api/artifacts/download?runId={self.run_id}")

    def test_every_operation_refuses_what_the_document_says_it_refuses(self):
        """What any operation may be sent, and the code that it must have for that."""
        provocations = [("invalid_parameter", {"target": "?%"}), ("uri_too_long", {"target": "?" + "x" * 3000}),
                        ("bad_request", {"headers": {"Trailer": "x"}}),
                        ("expectation_failed", {"headers": {"Expect": "a cake"}}),
                        ("headers_too_large", {"headers": {"X": "x" * 20000}}),
                        ("not_implemented", {"headers": {"Transfer-Encoding": "gzip"}})]
        without = {scope: self.stack.key(org, other) for scope, org, other in
                   (("runs:read", "acme", "runs:write"), ("runs:write", "acme", "runs:read"),
                    ("ops:read", "*", "ops:write"), ("ops:write", "*", "ops:read"))}
        for method, target, operation in self.targets():
            size = 60_000_000 if "start" in target else 20_000
            bodies = [("body_too_large", {"body": b'"%s"' % (b"x" * size)})]
            if "requestBody" in operation:
                bodies += [("unsupported_media_type", {"body": b"{}", "headers": {"Content-Type": "text/plain"}}),
                           ("invalid_body", {"body": b"{"}), ("duplicate_field", {"body": b'{"a": 1, "a": 1}'}),
                           ("invalid_encoding", {"body": b'"\xff"'}), ("too_deep", {"body": b'{"a":' + b"[" * 99})]
            keys = [("unauthorized", {"key": "rp_wrong"}) for _ in operation["security"]]
            keys += [("insufficient_scope", {"key": without[scope]}) for rule in operation["security"] for scope in rule["bearer"]]
            for code, how in provocations + bodies + keys:
                with self.subTest(operation=operation["operationId"], code=code):
                    where = target.partition("?")[0] + how["target"] if "target" in how else target
                    answer = self.api_for(operation).call(method, where, how.get("body"), how.get("headers"), how.get("key"))
                    self.assertEqual(answer.json["error"], code)

    def test_a_refusal_is_a_problem_document_for_whom_asks_for_one(self):
        problem = self.got(404, "GET", f"/api/runs/{NOBODY}", headers={"Accept": "application/problem+json"})
        self.assertEqual(problem.headers["Content-Type"], "application/problem+json")

    def test_what_is_not_there_is_not_found(self):
        for (method, path), operation in self.document.operations.items():
            if "{" in path:
                target = path.format(runId=NOBODY, projectId=NO_PROJECT, bulkId=NO_BULK, workerId="nobody", order="quiet", asset="none")
                answer = self.api_for(operation).call(method, target, BODY if method == "POST" else None)
                self.assertEqual(answer.status, 404, target)
        self.got(404, "GET", f"/api/artifacts/download?runId={NOBODY}&key=input.openapi")
        self.got(404, "POST", "/api/reports/start", {"openapiText": DOCUMENT, "projectId": NO_PROJECT})

    def test_a_start_or_retry_that_may_not_be_is_refused(self):
        self.got(400, "POST", "/api/reports/start", {"openapiText": DOCUMENT, "mode": "stainless_compatible"})
        self.got(400, "POST", f"/api/runs/{self.run_id}/retry", {"reason": "x" * 1001})
        other = self.client("other")
        run = self.done(other.start(DOCUMENT))
        self.stack.admin("orgs", "set", "other", "--runs-per-month", "1")
        calls = [("/api/reports/start", BODY), (f"/api/runs/{run}/retry", "{}")]
        self.assertEqual([other.post(*call).status for call in calls], [402, 402])
        self.assertEqual(other.get(f"/api/runs/{run}/retry").json["status"], 402)
        self.stack.admin("orgs", "set", "other", "--plan", "inactive")
        self.assertEqual([other.post(*call).json["error"] for call in calls], ["plan_inactive"] * 2)
        project = other.get(f"/api/runs/{run}").json["projectId"]
        self.stack.admin("projects", "archive", project)
        self.assertEqual(other.post(f"/api/runs/{run}/retry").status, 403)
        self.assertEqual(other.get(f"/api/projects/{project}").json["status"], "archived")

    def test_a_retry_whose_inputs_are_gone_is_refused(self):
        third = self.client("third")
        run = self.done(third.start(DOCUMENT))
        for blob in (self.stack.dir / "blobs/third").rglob("*"):
            if blob.is_file():
                blob.unlink()
        self.assertEqual(third.post(f"/api/runs/{run}/retry").status, 422)
        self.assertEqual(third.get(f"/api/runs/{run}/retry").json["error"], "inputs_not_retained")


class Refusals(unittest.TestCase):
    """A key that asks too often, a full queue and Redis gone: on a stack with no worker, at one request a second."""

    def setUp(self):
        self.document = Document()

    def stack(self, *settings):
        stack = Stack(workers=0, settings=settings)
        self.addCleanup(lambda: self.assertEqual(stack.close(), []))
        return stack

    def guarded(self, run):
        """(method, target, body, operation id) of every operation that needs a key."""
        for (method, path), operation in self.document.operations.items():
            if operation["security"]:
                # Complete: a key that was right a moment ago is not looked up again, and the request is read first.
                query = f"?runId={run}&key=input.openapi" if path.endswith("/download") else ""
                target = path.format(runId=run, projectId=NO_PROJECT, bulkId=NO_BULK, workerId="nobody", order="quiet", asset="none") + query
                yield method, target, BODY if method == "POST" else None, operation

    def test_429_for_a_key_that_asks_too_often(self):
        stack = self.stack("--rate", 1)
        self.key = stack.key()
        api = DocumentedApi(stack.port, self.key, self.document)
        while api.get("/api/projects").status == 200:
            pass
        for method, target, body, operation in self.guarded(NOBODY):
            # A request every second may pass: on a slow machine one in between does.
            answers = (api.call(method, target, body) for _ in range(4))
            answer = next(answer for answer in answers if answer.status == 429)
            self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1, operation["operationId"])

    def test_503_for_a_full_queue_and_for_redis_that_is_gone(self):
        stack = self.stack("--queue-limit", 1)
        self.key = stack.key()
        operators = stack.key("*", "ops:read,ops:write")
        api = DocumentedApi(stack.port, self.key, self.document)
        queued = api.start(DOCUMENT)
        self.assertEqual((queued.status, queued.json["run"]["verdict"]), (202, "needs_worker"))
        run = queued.json["run"]["id"]
        self.assertEqual(api.start(DOCUMENT).json["error"], "queue_full")
        self.assertEqual(api.retry(run).json["error"], "queue_full")
        canceled = api.post(f"/api/runs/{run}/cancel")
        self.assertEqual((canceled.status, canceled.json["run"]["status"]), (200, "canceled"))
        self.assertEqual(api.get("/readyz").status, 200)
        stack.redis_process.kill()

        def call(one):  # all at once: each waits for Redis before it gives up
            method, target, body, operation = one
            key = operators if any(scope.startswith("ops:") for rule in operation["security"] for scope in rule["bearer"]) else self.key
            return operation["operationId"], DocumentedApi(stack.port, key, self.document).call(method, target, body)

        # Whose key it is was known a moment ago, and who watches everything waits for what comes: no Redis is asked for that.
        operations = [one for one in self.guarded(run) if one[3]["operationId"] not in ("whoAmI", "watchAll")]
        with concurrent.futures.ThreadPoolExecutor(len(operations)) as pool:
            for name, answer in pool.map(call, operations):
                self.assertEqual((answer.status, answer.json["error"]), (503, "redis_unavailable"), name)
                self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        self.assertEqual((api.get("/readyz").status, api.get("/livez").status), (503, 200))


if __name__ == "__main__":
    unittest.main()
