"""Requests that are malformed or unusual, reading and listing runs, projects, and downloads."""
import json
import socket
import unittest

from client import Api
from contract import check_accepted, check_error, check_project, check_run
from pipelines import BUILT_IN_ONLY, DOCUMENT, VERIFY, pipelines, shell
from stack import P0, StackTest


class Malformed(StackTest):
    options = {"pipelines": BUILT_IN_ONLY}

    @classmethod
    def prepare(cls):
        cls.client = cls.stack.client()
        cls.source = check_accepted(cls.client.start(DOCUMENT), of_retry=False)["run"]["id"]
        cls.stack.wait_status(cls.source, "complete")
        cls.path = f"/api/runs/{cls.source}/retry"
        cls.accepted = cls.stack.stats()["accepted"]

    def refused(self, status, code, body=b"{}", path=None, method="POST", **more):
        accepted = self.stack.stats()["accepted"]
        answer = self.client.call(method, path or self.path, body, **more)
        check_error(answer, status, code)
        self.assertEqual(self.stack.stats()["accepted"], accepted)
        self.assertEqual(self.client.get("/livez").status, 200)
        return answer

    def test_400_says_what_is_wrong_with_the_body(self):
        bodies = [("invalid_body", b"{"), ("invalid_body", b'{"reason": "a"} trailing'), ("invalid_body", b'{"reason": 1}'),
                  ("invalid_body", b'{"reason": null}'), ("invalid_body", b'{"reason": {}}'),
                  ("invalid_body", b'{"reason": ["a"]}'), ("invalid_body", b"[]"), ("invalid_body", b'["reason"]'),
                  ("invalid_body", b"null"), ("invalid_body", b'"reason"'), ("invalid_body", b"1e999999999"),
                  ("invalid_body", b'{"reason": "a\x01"}'), ("invalid_body", b'{"reason": "\\u0000"}'),
                  ("duplicate_field", b'{"reason": "a", "reason": "b"}'), ("duplicate_field", b'{"x": {"y": 1, "y": 2}}'),
                  ("duplicate_field", b'{"reason": "a", "\\u0072eason": "b"}'),
                  ("too_deep", b'{"x": ' + b"[" * 7000 + b"]" * 7000 + b"}"), ("too_deep", b'{"x":' * 2500 + b"1" + b"}" * 2500),
                  ("invalid_encoding", b'{"reason": "\xff"}'), ("invalid_encoding", b"\xef\xbb\xbf{}"),
                  ("invalid_encoding", b'{"reason": "\xed\xa0\x80"}'), ("invalid_encoding", b'{"reason": "\\ud800"}'),
                  ("invalid_encoding", '{"reason": "a"}'.encode("utf-16")),
                  ("reason_too_long", b'{"reason": "%s"}' % (b"x" * 1001))]
        for code, body in bodies:
            with self.subTest(body=body[:40]):
                self.refused(400, code, body)

    def test_a_body_may_be_absent_empty_or_have_fields_that_nobody_knows(self):
        for body in (None, b"", b"{}", b'{"unknown": [1, {"deep": null}], "reason": "r"}',
                     json.dumps({"reason": "\U0001f6b2" * 1000})):
            with self.subTest(body=(body or b"")[:20]):
                body = check_accepted(self.client.call("POST", self.path, body), of_retry=True)
        self.assertEqual(body["run"]["inputSummary"]["lineage"]["reason"], "\U0001f6b2" * 1000)

    def test_400_for_a_start_that_makes_no_sense(self):
        start = "/api/reports/start"
        for code, fields in (("invalid_body", {}), ("invalid_body", {"openapiText": ""}), ("invalid_body", {"openapiText": {}}),
                             ("invalid_body", {"openapiText": DOCUMENT, "mode": "none"}),
                             ("invalid_body", {"openapiText": DOCUMENT, "openapiFileName": "../a"}),
                             ("config_required", {"openapiText": DOCUMENT, "mode": "stainless_compatible"}),
                             ("config_required", {"openapiText": DOCUMENT, "mode": "stainless_migration"})):
            self.refused(400, code, json.dumps(fields), start)
        self.refused(404, "project_not_found", json.dumps({"openapiText": DOCUMENT, "projectId": "prj_1"}), start)

    def test_405_names_what_the_path_takes(self):
        self.assertEqual(self.refused(405, "method_not_allowed", method="PUT", body=None).headers["Allow"], "POST, GET, HEAD, OPTIONS")
        answer = self.refused(405, "method_not_allowed", method="DELETE", path=f"/api/runs/{self.source}", body=None)
        self.assertEqual(answer.headers["Allow"], "GET, HEAD, OPTIONS")

    def test_404_for_a_path_that_is_not_there(self):
        for path in ("/", "/api", "/api/runs/", self.path + "/", self.path + "/x", "/api/runs//retry"):
            self.refused(404, "not_found", path=path)

    def test_413_for_a_body_over_the_limit(self):
        self.refused(413, "body_too_large", b'{"reason": "%s"}' % (b" " * 20000))

    def test_a_client_that_sends_far_too_much_still_hears_why(self):
        self.refused(413, "body_too_large", b'{"reason": "%s"}' % (b" " * 30_000_000))

    def test_415_for_a_body_that_is_not_json(self):
        for headers in ({"Content-Type": None}, {"Content-Type": "text/plain"}, {"Content-Type": "application/jsonp"},
                        {"Content-Type": "application/json; charset=latin1"}, {"Content-Encoding": "gzip"}):
            self.refused(415, "unsupported_media_type", headers=headers)
        for kind in ("application/json; charset=utf-8", "Application/JSON"):
            self.assertEqual(self.client.post(self.path, headers={"Content-Type": kind}).status, 202)

    def test_a_problem_document_holds_the_same_two_members(self):
        answer = self.client.call("POST", self.path, b"[]", headers={"Accept": "application/problem+json"})
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (400, "application/problem+json"))
        self.assertEqual(answer.json["error"], "invalid_body")
        self.assertEqual(answer.json["status"], 400)

    def test_a_request_that_two_parsers_could_read_differently_is_refused_and_the_connection_closed(self):
        head = f"POST {self.path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.client.key}\r\n"
        head += "Content-Type: application/json\r\n"
        for more in ("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                     "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "Content-Length: +2\r\n\r\n{}",
                     "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: y\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", self.stack.port), 10) as connection:
                connection.sendall((head + more).encode())
                answer = b""
                while piece := connection.recv(65536):
                    answer += piece
            self.assertTrue(answer.startswith(b"HTTP/1.1 400"), (more, answer[:200]))
            self.assertEqual(answer.count(b"HTTP/1.1"), 1)


class Reading(StackTest):
    options = {"pipelines": pipelines(VERIFY, shell(
        "write", "printf 0123456789 >digits; echo said",
        artifacts=[{"key": "digits.txt", "path": "digits", "contentType": "text/plain"}]))}

    @classmethod
    def prepare(cls):
        cls.client = cls.stack.client()
        cls.run_id = cls.start("one", projectName="first")
        cls.project = cls.client.get(f"/api/runs/{cls.run_id}").json["projectId"]

    @classmethod
    def start(cls, text, client=None, status="complete", **fields):
        client = client or cls.client
        run = check_accepted(client.start(text, **fields), of_retry=False)["run"]["id"]
        cls.stack.wait_status(run, status)
        return run

    def test_get_has_a_strong_etag_and_answers_304(self):
        path = f"/api/runs/{self.run_id}"
        answer = self.client.get(path)
        check_run(answer.json)
        etag = answer.headers["ETag"]
        self.assertRegex(etag, r'^"[^"]+"$')
        for sent in (etag, "*", f'"x", {etag}', "W/" + etag):
            again = self.client.get(path, headers={"If-None-Match": sent})
            self.assertEqual((again.status, again.body, again.headers["ETag"]), (304, b"", etag))
        self.assertEqual(self.client.get(path, headers={"If-None-Match": '"x"'}).status, 200)

    def test_head_has_the_headers_of_get_and_no_body(self):
        download = f"/api/artifacts/download?runId={self.run_id}&key=digits.txt"
        for path in (f"/api/runs/{self.run_id}", "/api/runs?status=failed", download, "/livez"):
            get, head = self.client.get(path), self.client.call("HEAD", path)
            self.assertEqual((head.status, head.body), (200, b""))
            for name in ("Content-Length", "Content-Type", "ETag"):
                self.assertEqual(head.headers[name], get.headers[name], path)

    def test_download_answers_ranges(self):
        path = f"/api/artifacts/download?runId={self.run_id}&key=digits.txt"
        for sent, status, body, where in ((None, 200, b"0123456789", None), ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
                                          ("bytes=7-", 206, b"789", "bytes 7-9/10"), ("bytes=-3", 206, b"789", "bytes 7-9/10"),
                                          ("bytes=5-500", 206, b"56789", "bytes 5-9/10"), ("bytes=4-2", 200, b"0123456789", None)):
            answer = self.client.get(path, headers={"Range": sent})
            self.assertEqual((answer.status, answer.body, answer.headers["Content-Range"]), (status, body, where), sent)
            self.assertTrue(answer.headers["Content-Disposition"].startswith("attachment"))
        answer = self.client.get(path, headers={"Range": "bytes=10-"})
        check_error(answer, 416, "range_not_satisfiable")
        self.assertEqual(answer.headers["Content-Range"], "bytes */10")
        check_error(self.client.get(path + "x"), 404, "artifact_not_found")
        check_error(self.client.get(f"/api/artifacts/download?runId={self.run_id}"), 400, "invalid_parameter")
        log = self.client.get(path.replace("digits.txt", "logs/write.txt")).body.decode()
        self.assertTrue(log.startswith("said\n"), log)

    def test_410_once_the_artifacts_are_past_their_retention(self):
        run = self.start("expiring", projectName="expiring")
        self.stack.redis.call("HSET", f"{P0}run:{run}", "expires", 1)
        check_error(self.client.get(f"/api/artifacts/download?runId={run}&key=digits.txt"), 410, "artifact_expired")

    def test_a_list_is_newest_first_and_its_pages_stay_put_while_runs_are_added(self):
        client = self.stack.client("lister")
        runs = [self.start(f"document {n}", client) for n in range(7)][::-1]
        seen, path = [], "/api/runs?limit=3"
        for size in (3, 3, 1):
            page = client.get(path)
            self.assertEqual(len(page.json["runs"]), size)
            seen += [run["id"] for run in page.json["runs"]]
            self.start("in between", client)
            link = page.headers["Link"]
            self.assertEqual(link is not None, "nextCursor" in page.json)
            if link:
                path = link[1:link.index(">")]
                self.assertIn(page.json["nextCursor"], path)
        self.assertEqual((seen, link), (runs, None))
        for run in client.get("/api/runs?limit=100").json["runs"]:
            check_run(run)

    def test_a_list_keeps_to_its_filters_and_to_its_organisation(self):
        client = self.stack.client("filterer")
        one = self.start("a", client, projectName="one")
        two = self.start("b", client, projectName="two")
        project = client.get(f"/api/runs/{one}").json["projectId"]
        retry = client.retry(one).json["run"]["id"]
        self.stack.wait_status(retry)
        of_retry = client.retry(retry).json["run"]["id"]
        self.stack.wait_status(of_retry)

        def listed(query):
            answer = client.get("/api/runs?" + query)
            self.assertEqual(answer.status, 200, answer)
            return [run["id"] for run in answer.json["runs"]]
        self.assertEqual(listed("projectId=" + project), [of_retry, retry, one])
        self.assertEqual(listed("status=complete&limit=2"), [of_retry, retry])
        self.assertEqual(listed("status=failed"), [])
        self.assertEqual(listed("sourceRunId=" + retry), [of_retry])
        self.assertEqual(listed("sourceRunId=" + one), [retry])
        self.assertEqual(listed("sourceRunId=" + two), [])
        self.assertEqual(listed("projectId=" + self.project), [])
        for query in ("limit=0", "limit=101", "limit=x", "status=none", "projectId=1", "sourceRunId=1", "cursor=1", "limit=%zz",
                      "cursor=" + self.run_id):
            check_error(client.get("/api/runs?" + query), 400, "invalid_parameter")

    def test_a_project_is_found_by_its_name_or_made_or_named_after_the_document(self):
        again = check_accepted(self.client.start("two", projectName="first"), of_retry=False)
        self.assertEqual(again["project"]["id"], self.project)
        by_id = check_accepted(self.client.start("three", projectId=self.project), of_retry=False)
        self.assertEqual(by_id["project"]["id"], self.project)
        document = DOCUMENT.replace("Small", "Named")
        named = check_accepted(self.client.start(document), of_retry=False)["project"]
        self.assertEqual((named["name"], named["apiName"], named["runCount"]), ("Named", "Named", 1))
        self.assertEqual(check_accepted(self.client.start(document), of_retry=False)["project"]["id"], named["id"])
        foreign = self.stack.client("stranger")
        other = check_accepted(foreign.start("x", projectName="first"), of_retry=False)["project"]
        self.assertNotEqual(other["id"], self.project)
        check_error(foreign.get(f"/api/projects/{self.project}"), 404, "project_not_found")
        check_error(foreign.start("x", projectId=self.project), 404, "project_not_found")
        listed = self.client.get("/api/projects").json["projects"]
        for project in listed:
            check_project(project)
        self.assertLessEqual({self.project, named["id"]}, {p["id"] for p in listed})
        self.assertNotIn(other["id"], {p["id"] for p in listed})

    def test_a_mode_is_stored_as_one_of_the_two_of_today(self):
        for given, stored in (("custom", "flagship"), ("openapi", "flagship"), ("flagship", "flagship"),
                              ("stainless", "stainless_compatible"), ("stainless_migration", "stainless_compatible")):
            body = check_accepted(self.client.start(DOCUMENT, mode=given, configText="a: 1"), of_retry=False)
            self.assertEqual(body["run"]["mode"], stored, given)

    def test_live_and_ready_without_a_key(self):
        anyone = Api(self.stack.port)
        self.assertEqual((anyone.get("/livez").status, anyone.get("/readyz").status), (200, 200))
        self.stack.redis.call("CONFIG", "SET", "appendfsync", "everysec")
        answer = anyone.get("/readyz")
        self.stack.redis.call("CONFIG", "SET", "appendfsync", "always")
        self.assertEqual(answer.status, 503, answer)
        self.assertEqual(anyone.get("/readyz").status, 200)


if __name__ == "__main__":
    unittest.main()
