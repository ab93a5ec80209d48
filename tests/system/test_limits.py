"""Limits, so that no caller takes from another: rates of keys, wrong keys, connections of an address. And what every
answer says to browsers and to whoever traces requests."""
import contextlib
import http.client
import json
import re
import signal
import socket
import time
import unittest

from client import Answer, Api
from contract import check_accepted, check_error
from pipelines import DOCUMENT, VERIFY, pipelines, shell
from stack import StackTest, wait_for
from watching import another_api

HERE, ELSEWHERE = "127.0.0.1", "127.0.0.2"
FLOOD = 160  # wrong keys: more than the 100 that an address may send at once, however slowly they go out


@contextlib.contextmanager
def connected(port, source=HERE):
    """A connection from this address, that the server has served once or has turned away: its answer, and itself."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=(source, 0))
    try:
        yield get(connection, "/livez"), connection
    finally:
        connection.close()


def get(connection, path, key=None):
    connection.request("GET", path, headers={"Authorization": "Bearer " + key} if key else {})
    raw = connection.getresponse()
    return Answer(raw, raw.read())


def get_from(source, port, path, key=None):
    """On a connection of its own."""
    with connected(port, source) as (_, connection):
        return get(connection, path, key)


class Rates(StackTest):
    options = {"workers": 0}

    @classmethod
    def prepare(cls):
        cls.slow = another_api(cls, "api-slow", "--rate", 5)

    def use_up(self, client, path="/api/projects"):
        """Asks until it is refused: what was answered before, and the refusal."""
        began, answers = time.monotonic(), []
        while (answer := client.get(path)).status == 200:
            answers.append(answer)
            self.assertLess(len(answers), 10 + 5 * (time.monotonic() - began) + 1, "more than the rate")
        return answers, answer

    def remaining(self, answer):
        return int(re.fullmatch(r'"key";r=(\d+);t=\d+', answer.headers["RateLimit"])[1])

    def test_a_key_has_its_rate_and_is_told_when_to_come_back(self):
        client = Api(self.slow.port, self.stack.key())
        served, refused = self.use_up(client)
        self.assertGreaterEqual(len(served), 10)  # twice the rate at once
        self.assertEqual({a.headers["RateLimit-Policy"] for a in [*served, refused]}, {'"key";q=10;w=2'})
        self.assertEqual((self.remaining(served[0]), self.remaining(refused)), (9, 0))
        check_error(refused, 429, "rate_limited")
        wait = int(refused.headers["Retry-After"])
        self.assertEqual(wait, 1)
        time.sleep(wait)
        self.assertEqual(client.get("/api/projects").status, 200)

    def test_a_refused_call_does_nothing(self):
        client = Api(self.slow.port, self.stack.key("eager"))
        self.use_up(client)
        answers = [client.start(DOCUMENT) for _ in range(20)]
        accepted = sum(a.status == 202 for a in answers)
        self.assertIn("rate_limited", [a.json.get("error") for a in answers])
        self.assertEqual(len(Api(self.stack.port, client.key).get("/api/runs").json["runs"]), accepted)

    def test_one_key_takes_nothing_from_another_and_health_has_no_rate(self):
        one, two = (Api(self.slow.port, self.stack.key("same")) for _ in range(2))
        self.use_up(one)
        # The next token may come at any moment: one of the next few calls is refused again.
        self.assertIn(429, [one.get("/api/projects").status for _ in range(5)])
        self.assertEqual(two.get("/api/projects").status, 200)
        for _ in range(30):
            self.assertEqual(one.get("/livez").status, 200)
        self.assertIsNone(one.get("/livez").headers["RateLimit"])

    def test_no_limit_and_nothing_said_of_one(self):
        client = Api(another_api(self, "api-free", "--rate", 0).port, self.stack.key())
        answers = [client.get("/api/projects") for _ in range(50)]
        said = {(a.status, a.headers["RateLimit"], a.headers["RateLimit-Policy"]) for a in answers}
        self.assertEqual(said, {(200, None, None)})


class WrongKeys(StackTest):
    options = {"workers": 0}

    def setUp(self):
        self.api = another_api(self, "api-" + self._testMethodName[5:25], "--threads", 2)
        self.client = Api(self.api.port, self.stack.key())
        self.wrong = Api(self.api.port, self.client.key[:-1] + ("a" if self.client.key[-1] != "a" else "b"))

    def flood(self):
        answers = [self.wrong.get("/api/projects") for _ in range(FLOOD)]
        self.assertEqual({a.status for a in answers}, {401, 429})
        self.assertGreaterEqual([a.status for a in answers].index(429), 100)
        return next(a for a in answers if a.status == 429)

    def test_an_address_that_sends_wrong_keys_is_asked_to_wait(self):
        refused = self.flood()
        check_error(refused, 429, "rate_limited")
        time.sleep(int(refused.headers["Retry-After"]))
        check_error(self.wrong.get("/api/projects"), 401, "unauthorized")

    def test_no_key_a_malformed_one_and_a_revoked_one_count_as_well(self):
        revoked = self.stack.key("leaver")
        self.stack.admin("keys", "revoke", revoked.split("_")[1])
        wrong = ["", "x", "rp_", revoked, self.wrong.key]
        answers = [get_from(HERE, self.api.port, "/api/projects", wrong[n % 5]) for n in range(FLOOD)]
        self.assertEqual({a.status for a in answers}, {401, 429})
        self.assertEqual(len({a.body for a in answers if a.status == 401}), 1)

    def test_another_address_notices_nothing(self):
        self.flood()
        for _ in range(20):
            self.wrong.get("/api/projects")
            self.assertEqual(get_from(ELSEWHERE, self.api.port, "/api/projects", self.client.key).status, 200)
        self.assertEqual(get_from(ELSEWHERE, self.api.port, "/api/projects", self.wrong.key).status, 401)


class Connections(StackTest):
    options = {"workers": 0}

    def test_one_address_has_so_many_connections_and_another_is_served_all_the_same(self):
        api = another_api(self, "api-few", "--max-per-address", 8)
        with contextlib.ExitStack() as held:
            for _ in range(8):
                self.assertEqual(held.enter_context(connected(api.port))[0].status, 200)
            self.turned_away(api.port, HERE)
            for _ in range(8):
                self.assertEqual(held.enter_context(connected(api.port, ELSEWHERE))[0].status, 200)
            self.turned_away(api.port, ELSEWHERE)
        wait_for("there is room again", lambda: self.status(api.port, HERE) == 200, 2)
        with contextlib.ExitStack() as held:
            wait_for("for all of them", lambda: held.enter_context(connected(api.port))[0].status == 200, 2)
            for _ in range(7):
                self.assertEqual(held.enter_context(connected(api.port))[0].status, 200)

    def test_all_addresses_together_have_so_many(self):
        api = another_api(self, "api-full", "--max-connections", 8)
        with contextlib.ExitStack() as held:
            for n in range(8):
                self.assertEqual(held.enter_context(connected(api.port, f"127.0.0.{n + 3}"))[0].status, 200)
            self.turned_away(api.port, HERE)
        wait_for("there is room again", lambda: self.status(api.port, HERE) == 200, 2)

    def status(self, port, source):
        with connected(port, source) as (answer, _):
            return answer.status

    def turned_away(self, port, source):
        with connected(port, source) as (answer, _):
            check_error(answer, 503, "overloaded")
            self.assertEqual(answer.headers["Connection"], "close")
            self.assertGreater(int(answer.headers["Retry-After"]), 0)


class Headers(StackTest):
    options = {"workers": 0}
    APP = "https://app.example"

    @classmethod
    def prepare(cls):
        cls.client = cls.stack.client()
        cls.run_id = cls.client.start(DOCUMENT).json["run"]["id"]
        cls.open = another_api(cls, "api-open", "--cors-origins", f"{cls.APP},https://b.example:8443")

    def setUp(self):
        self.client.close()

    def cors(self, answer):
        return {name: value for name, value in answer.headers.items() if name.startswith("Access-Control-")}

    def ask(self, origin, method="GET", path="/api/projects", port=None, **more):
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST" if method == "OPTIONS" else None}
        return Api(port or self.open.port, self.client.key).call(method, path, headers=asked, **more)

    def test_no_page_of_another_origin_may_call_by_default(self):
        for method in ("GET", "OPTIONS"):
            self.assertEqual(self.cors(self.ask(self.APP, method, port=self.stack.port)), {})

    def test_pages_of_the_origins_that_are_named_may_call(self):
        for origin in (self.APP, "https://b.example:8443"):
            answer = self.ask(origin)
            self.assertEqual((answer.status, answer.headers["Access-Control-Allow-Origin"]), (200, origin))
            self.assertIn("Origin", answer.headers["Vary"])
            self.assertLessEqual({"ETag", "Location", "Retry-After", "X-Request-Id"},
                                 set(answer.headers["Access-Control-Expose-Headers"].split(", ")))
            self.assertIsNone(answer.headers["Access-Control-Allow-Credentials"])

    def test_a_preflight_names_methods_and_headers(self):
        answer = self.ask(self.APP, "OPTIONS", f"/api/runs/{self.run_id}/retry", key="")
        self.assertEqual((answer.status, answer.headers["Access-Control-Allow-Origin"]), (204, self.APP))
        self.assertLessEqual({"GET", "POST"}, set(answer.headers["Access-Control-Allow-Methods"].split(", ")))
        ours = {"authorization", "content-type", "idempotency-key", "if-none-match", "last-event-id", "prefer"}
        self.assertLessEqual(ours, set(answer.headers["Access-Control-Allow-Headers"].lower().split(", ")))
        self.assertGreater(int(answer.headers["Access-Control-Max-Age"]), 0)

    def test_pages_of_other_origins_may_not(self):
        for origin in ("https://other.example", "https://app.example.evil", "http://app.example", "null", "*", "",
                       self.APP + ":8443", self.APP + "/", f"{self.APP},https://b.example:8443", f"{self.APP} null"):
            for method in ("GET", "OPTIONS"):
                answer = self.ask(origin, method)
                self.assertEqual((self.cors(answer), answer.headers["Vary"]), ({}, "Origin"), origin)

    def test_a_page_can_read_what_went_wrong(self):
        cancel = f"/api/runs/{self.run_id}/cancel"
        for status, path, more in (
                (401, "/api/projects", {"key": "x"}), (404, "/api/runs/run_1", {}), (404, "/none", {}),
                (405, "/api/projects", {"method": "DELETE"}), (400, "/api/runs?limit=0", {}),
                (400, cancel, {"method": "POST", "body": b"x"}),
                (413, cancel, {"method": "POST", "body": b"x" * 20000})):
            answer = self.ask(self.APP, path=path, **more)
            self.assertEqual((answer.status, answer.headers["Access-Control-Allow-Origin"]), (status, self.APP))

    def test_a_page_can_read_that_redis_is_away(self):
        self.stack.redis_process.signal(signal.SIGSTOP)
        try:
            answer = self.ask(self.APP)
        finally:
            self.stack.redis_process.signal(signal.SIGCONT)
        self.assertEqual((answer.status, answer.headers["Access-Control-Allow-Origin"]), (503, self.APP))
        wait_for("Redis is back", lambda: self.ask(self.APP).status == 200)

    def test_options_says_what_a_path_takes(self):
        run = f"/api/runs/{self.run_id}"
        reads = (run, run + "/events", "/api/runs", "/api/dead", "/api/projects", "/api/projects/prj_1",
                 "/api/artifacts/download", "/livez", "/readyz")
        writes = ("/api/reports/start", run + "/cancel")
        for path, allowed in (*((path, "POST") for path in writes), *((path, "GET HEAD") for path in reads),
                              (run + "/retry", "POST GET HEAD")):
            answer = Api(self.stack.port).call("OPTIONS", path)
            self.assertEqual((answer.status, answer.body, answer.headers["Content-Length"]), (204, b"", None), path)
            self.assertEqual(set(answer.headers["Allow"].split(", ")), {*allowed.split(), "OPTIONS"}, path)
        check_error(Api(self.stack.port).call("OPTIONS", "/none"), 404, "not_found")

    def raw(self, text):
        with socket.create_connection(("127.0.0.1", self.stack.port), 10) as one:
            one.sendall(text.encode())
            raw = http.client.HTTPResponse(one)
            raw.begin()
            return Answer(raw, raw.read1(65536))

    def answers(self):
        """One of each kind, by name."""
        run, key = f"/api/runs/{self.run_id}", self.client.key
        tag = self.client.get(run).headers["ETag"]
        download = f"/api/artifacts/download?runId={self.run_id}&key=input.openapi"
        calls = [("GET", run, 200, {}), ("HEAD", run, 200, {}), ("GET", run, 304, {"If-None-Match": tag}),
                 ("GET", "/livez", 200, {}), ("GET", "/none", 404, {}), ("DELETE", run, 405, {}),
                 ("OPTIONS", run, 204, {}), ("GET", run, 401, {"Authorization": "x"}), ("GET", download, 200, {}),
                 ("GET", download, 206, {"Range": "bytes=0-1"}), ("GET", download, 416, {"Range": "bytes=999-"}),
                 ("GET", "/api/runs?limit=0", 400, {"Accept": "application/problem+json"})]
        for method, path, status, headers in calls:
            yield f"{method} {path} {status}", status, self.client.call(method, path, headers=headers)
        yield "a body too large", 413, self.client.post(run + "/cancel", {"reason": "x" * 20000})
        yield "no Host", 400, self.raw("GET /livez HTTP/1.1\r\n\r\n")
        yield "no header", 400, self.raw("GET /livez HTTP/1.1\r\nHost\r\n\r\n")
        yield "no coding", 501, self.raw("GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: x\r\n\r\n")
        yield "a header too large", 431, self.raw(f"GET /livez HTTP/1.1\r\nHost: x\r\nX: {'x' * 20000}\r\n\r\n")
        yield "events", 200, self.raw(f"GET {run}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n")

    def test_every_kind_of_answer_has_the_headers_that_keep_browsers_out_of_trouble(self):
        ids = []
        for kind, status, answer in self.answers():
            with self.subTest(kind=kind):
                self.assertEqual(answer.status, status)
                for name in ("Content-Security-Policy", "Referrer-Policy", "Cache-Control", "Date"):
                    self.assertIsNotNone(answer.headers[name], name)
                self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
                self.assertEqual(answer.headers["Server"], "reprise")  # and no version
                self.assertRegex(answer.headers["X-Request-Id"], r"^\w{16}$")
                ids.append(answer.headers["X-Request-Id"])
        self.assertEqual(len(ids), len(set(ids)))


class Traces(StackTest):
    options = {"pipelines": pipelines(VERIFY, shell("tell", 'echo "${TRACEPARENT-none}" >told',
                                                    artifacts=[{"key": "told.txt", "path": "told"}]))}
    TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    def told(self, run):
        self.stack.wait_status(run, "complete")
        return self.client.get(f"/api/artifacts/download?runId={run}&key=told.txt").body.decode().strip()

    def test_a_trace_goes_on_into_the_commands_of_a_run(self):
        self.client = self.stack.client()
        other = self.TRACE.replace("0af7", "1af7")
        run = self.client.call("POST", "/api/reports/start", json.dumps({"openapiText": DOCUMENT}),
                               headers={"traceparent": self.TRACE}).json["run"]["id"]
        retry = self.client.post(f"/api/runs/{run}/retry", headers={"traceparent": other}).json["run"]["id"]
        for one, trace in ((run, self.TRACE), (retry, other)):
            self.assertEqual(self.stack.run_hash(one)["trace"], trace)
            self.assertEqual(self.told(one), trace)

    def test_a_run_that_comes_without_a_trace_begins_one(self):
        self.client = self.stack.client()
        run = check_accepted(self.client.start(DOCUMENT), of_retry=False)["run"]["id"]
        trace = self.stack.run_hash(run)["trace"]
        self.assertRegex(trace, r"^00-[0-9a-f]{32}-[0-9a-f]{16}-00$")
        self.assertEqual(self.told(run), trace)

    def test_what_is_no_traceparent_is_ignored(self):
        self.client = self.stack.client()
        upper, zero = self.TRACE.upper(), "00-" + "0" * 32 + self.TRACE[35:]
        for bad in (upper, zero, self.TRACE[:36] + "0" * 16 + "-01", "01" + self.TRACE[2:], self.TRACE + "-x", "",
                    "x" * 3000, self.TRACE[:-1], self.TRACE.replace("-", "_"), self.TRACE[:-2] + "$(",
                    f"{self.TRACE}, {self.TRACE}"):
            answer = self.client.call("POST", "/api/reports/start", json.dumps({"openapiText": DOCUMENT}),
                                      headers={"traceparent": bad})
            self.assertEqual(answer.status, 202, answer)
            trace = self.stack.run_hash(answer.json["run"]["id"])["trace"]
            self.assertTrue(trace != bad and self.TRACE[3:35] not in trace, (trace, bad))


if __name__ == "__main__":
    unittest.main()
