"""Header fields that are malformed, repeated or too much: idempotency keys, traces, ids, preferences."""
import concurrent.futures
import itertools
import signal
import time
import unittest

from client import Api
from contract import check_accepted, check_run
from pipelines import BUILT_IN_ONLY
from raw_http import Connection, request
from stack import BIN, P0, wait_for
from troubled import ProxiedStack
from unharmed import JSON, BadInputTest

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SOUND = f"00-{TRACE}-{SPAN}-01"
TRACES = {"a trace of zeros": f"00-{'0' * 32}-{SPAN}-01", "a span of zeros": f"00-{TRACE}-{'0' * 16}-01",
          "upper case": f"00-{TRACE.upper()}-{SPAN}-01", "too short": f"00-{TRACE[1:]}-{SPAN}-01",
          "too long": SOUND + "0",
          "version ff": f"ff-{TRACE}-{SPAN}-01", "10 kB": SOUND + "x" * 10_000, "empty": "", "no flags": SOUND[:-3],
          "no hex": f"00-{'g' * 32}-{SPAN}-01", "flags that are none": f"00-{TRACE}-{SPAN}-0x", "a shell": "$(id)",
          "spaces": " - - "}
UNUSABLE = ("", '""', '"', "k" * 256, "k" * 8000, '"abc', 'abc"', '"a";b=1', '"a", "b"', "a, b", '"a"b"', '"a\\"b"',
            "a b", "a\tb", "a\\b")
UNUSABLE_BYTES = ("é".encode(), b"\xff", b"a\x80", "\u202e".encode())
NOT_HTTP = (b"a\rb", b"a\nb", b"a\0b", b"a\x7fb", b"a\x1bb")


class Idempotency(BadInputTest):
    numbers = itertools.count()

    def fresh(self):
        return f"{self._testMethodName[-40:]}-{next(self.numbers)}"

    def keyed(self, key, path=None, body=b"{}", caller=None):
        return request("POST", path or self.path, f"Idempotency-Key: {key}", key=caller or self.key, body=body)

    def test_a_key_that_cannot_be_used_is_refused(self):
        for key in UNUSABLE:
            with self.subTest(key=key[:20]):
                self.refused(self.keyed(key), 400, "invalid_idempotency_key")
        for key in UNUSABLE_BYTES:
            self.refused(self.retry(b"Idempotency-Key: " + key), 400, "invalid_idempotency_key")
        for key in NOT_HTTP:
            self.refused_and_closed(self.retry(b"Idempotency-Key: " + key), 400)
        for second in ("a", "b", ""):
            self.refused(self.retry("Idempotency-Key: a", f"Idempotency-Key: {second}"), 400,
                         "invalid_idempotency_key")

    def test_a_key_of_255_characters_is_one_key_quoted_or_not(self):
        key = (self.fresh() + "!#$%&'()*+,-./:;<=>?@[]^_`{|}~").ljust(255, "k")
        first = self.accepted(self.keyed(key))["run"]["id"]
        for same in (key, f'"{key}"'):
            answer = self.ask(self.keyed(same))
            self.assertEqual((check_accepted(answer, True)["run"]["id"], answer.headers["Idempotent-Replayed"]),
                             (first, "true"))

    def test_a_hundred_requests_at_once_with_one_key_make_one_run(self):
        data, before = self.keyed(self.fresh()), len(self.known_runs())
        connections = [Connection(self.port) for _ in range(100)]
        try:
            for connection in connections:
                connection.send(data[:-1])
            for connection in connections:  # by then all of them are nearly there
                connection.send(data[-1:])
            answers = [connection.answer() for connection in connections]
        finally:
            for connection in connections:
                connection.socket.close()
        runs = {check_accepted(answer, True)["run"]["id"] for answer in answers}  # accept is one call: none is ever in flight
        self.assertEqual(len(runs), 1)
        self.assertEqual(len(self.known_runs()), before + 1)

    def test_a_key_stands_for_one_body_and_one_run(self):
        key, other = self.fresh(), self.accepted(self.retry())["run"]["id"]
        self.accepted(self.keyed(key, body=b'{"reason":"a"}'))
        for path, body in ((None, b'{"reason":"b"}'), (None, b"{}"), (None, b'{"reason": "a"}'),
                           (f"/api/runs/{other}/retry", b'{"reason":"a"}'),
                           (f"/api/runs/{'x' * 30}/retry", b'{"reason":"a"}')):
            self.refused(self.keyed(key, path, body), 409, "idempotency_key_reused")
        with self.nothing_accepted():
            check_accepted(self.ask(self.keyed(key, body=b'{"reason":"a"}')), True)

    def test_a_key_is_its_callers_own(self):
        key, mine = self.fresh(), self.accepted(self.retry())["run"]["id"]
        first = self.accepted(self.keyed(key))["run"]["id"]
        other_user = self.stack.key("acme", user="another")
        self.assertNotEqual(self.accepted(self.keyed(key, caller=other_user))["run"]["id"], first)
        self.assertEqual(self.accepted(self.keyed(key, caller=self.stack.key("acme")))["run"]["id"], first,
                         "another key of one user")
        stranger = self.stack.key("stranger")
        self.refused(self.keyed(key, caller=stranger), 404, "run_not_found")
        reader = self.stack.key("acme", "runs:read")
        self.refused(self.keyed(key, caller=reader), 403, "insufficient_scope")
        self.assertNotEqual(mine, first)


class KilledInBetween(BadInputTest):
    """An API that is killed while a call with an idempotency key is under way; the caller asks another one."""

    @classmethod
    def setUpClass(cls):
        cls.stack = ProxiedStack(pipelines=BUILT_IN_ONLY, workers=0)
        cls.addClassCleanup(cls.end_stack, cls.stack)
        cls.prepare()

    def another_api(self):
        name = f"api-{len(self.stack.processes)}"
        argv = [BIN / "reprise-api", "serve", "--listen", "127.0.0.1:0", *self.stack.common("api")]
        argv[argv.index("--redis-url") + 1] = "unix://" + self.stack.socket
        api = self.stack.launch(name, argv)
        return api, int(api.wait_log("serving")["port"])

    def made_with(self, reason):
        runs = [self.stack.run_hash(run) for run in self.known_runs()]
        return [run for run in runs if run.get("reason") == reason]

    def test_a_call_whose_api_died_before_it_answered_is_replayed_by_another(self):
        """Accepted by Redis for certain: only the reply is held back, from the API that is then killed."""
        api, port = self.another_api()
        proxied = Connection(self.port)
        body = b'{"reason":"killed before it answered"}'
        data = request("POST", self.path, "Idempotency-Key: killed-1", key=self.key, body=body)
        try:
            self.stack.proxies["api"].delay(0.8)  # time enough to kill it in, and less than Redis has for a reply
            proxied.send(data)
            wait_for("the run is there", lambda: self.made_with("killed before it answered"), every=0.01)
            self.stack.api.kill()
            self.assertIsNone(proxied.answer())
        finally:
            self.stack.proxies["api"].delay(0)
            proxied.socket.close()
        with Connection(port) as connection:
            connection.send(data)
            answer = connection.answer()
        self.assertEqual(answer.headers["Idempotent-Replayed"], "true")
        check_accepted(answer, True)
        self.assertEqual(len(self.made_with("killed before it answered")), 1)
        self.use(api, port)

    def test_calls_of_apis_that_were_killed_at_any_moment_are_one_run_each(self):
        for n in range(6):
            victim, port = self.another_api()
            reason = f"killed at moment {n}"
            data = request("POST", self.path, f"Idempotency-Key: moment-{n}", key=self.key,
                           body=b'{"reason":"%s"}' % reason.encode())
            with Connection(port) as connection:
                connection.send(data)
                time.sleep(n * 0.002)  # no signal to wait for: it is to die at any point of the call
                victim.signal(signal.SIGKILL)
                victim.kill()
            check_accepted(self.ask(data), True)
            self.assertEqual(len(self.made_with(reason)), 1)

    def use(self, api, port):
        """From now on the stack's API is this one."""
        cls = type(self)
        cls.stack.killed.add(cls.stack.api)
        cls.stack.api, cls.stack.port, cls.port = api, port, port
        cls.client = Api(port, self.key)


class Fields(BadInputTest):
    def test_a_trace_that_is_none_is_ignored(self):
        for name, value in TRACES.items():
            with self.subTest(name):
                self.is_new(self.run_of(self.accepted(self.retry(f"traceparent: {value}")))["trace"])
        self.is_new(self.run_of(self.accepted(self.retry(f"traceparent: {SOUND}", f"traceparent: {SOUND}")))["trace"])
        self.assertEqual(self.run_of(self.accepted(self.retry(f"traceparent: {SOUND}")))["trace"], SOUND)

    def is_new(self, trace):
        """One that begins here, and that nobody asked to record."""
        self.assertRegex(trace, r"^00-[0-9a-f]{32}-[0-9a-f]{16}-00$")
        self.assertNotIn(TRACE, trace)

    def test_a_sound_request_id_is_kept(self):
        for value in ("mine", "A-z_0.9", "x" * 128):
            answer = self.ask(self.retry(f"X-Request-Id: {value}"))
            self.assertEqual(answer.headers["X-Request-Id"], value)
            self.assertEqual(self.run_of(check_accepted(answer, True))["request"], value)

    def test_a_request_id_that_is_none_is_replaced_by_ours(self):
        seen = set()
        for value in (b"x" * 129, b"x" * 10_000, b"", b"a, b", b"<script>", b"\xff"):
            answer = self.ask(request("GET", "/livez", b"X-Request-Id: " + value))
            self.assertRegex(answer.headers["X-Request-Id"], r"^[0-9a-z]{16}$")
            seen.add(answer.headers["X-Request-Id"])
        self.assertEqual(len(seen), 6)
        for value in (b"a\rX: 1", b"a\nX: 1", b"\x1b[31m", b"\0"):
            answer = self.refused_and_closed(request("GET", "/livez", b"X-Request-Id: " + value), 400)
            self.assertRegex(answer.headers["X-Request-Id"], r"^[0-9a-z]{16}$")

    def test_a_preference_that_is_not_understood_is_ignored(self):
        began = time.monotonic()
        for value in ("wait=-1", "wait=0", "wait=abc", "wait=1.5", "wait", "wait=", "wait=1e9",
                      "wait=99999999999999999999", "x" * 1024,
                      "wait=1x", "wait= 1", "respond-async", ",,,", "wait=\"", "a=b; wait=1"):
            answer = self.ask(self.get(f"/api/runs/{self.run_id}", f"Prefer: {value}"))
            check_run(answer.json)
            self.assertIsNone(answer.headers["Preference-Applied"], value)
        self.assertLess(time.monotonic() - began, 5)

    def test_an_endless_wait_is_capped_and_ends_with_its_caller(self):
        with Connection(self.port) as connection:
            connection.send(self.get(f"/api/runs/{self.run_id}", "Prefer: wait=1000000000"))
            connection.socket.settimeout(0.5)
            with self.assertRaises(TimeoutError):
                connection.answer()
        canceled = self.accepted(self.retry())["run"]["id"]
        with Connection(self.port) as connection:
            connection.send(self.get(f"/api/runs/{canceled}", "Prefer: wait=1000000000"))
            wait_for("it is canceled", lambda: self.client.post(f"/api/runs/{canceled}/cancel").status == 200)
            answer = connection.answer()
        self.assertEqual((answer.status, answer.headers["Preference-Applied"]), (200, "wait=60"))
        self.assertEqual(answer.json["status"], "canceled")

    def test_an_expectation_is_met_or_refused(self):
        for value in ("foo", "100-continue, foo", "200-ok", "", "100-continue=1", "1" * 1000):
            self.refused_and_closed(self.retry(JSON, f"Expect: {value}", "Content-Length: 2") + b"{}", 417)
        with Connection(self.port) as connection:
            connection.send(self.retry(JSON, "Expect: 100-continue", "Content-Length: 2"))
            self.assertEqual(connection.head()[1], 100)
            connection.send(b"{}")
            check_accepted(connection.answer(), True)

    def test_two_expectations_are_both_looked_at(self):
        for fields in (("Expect: 100-continue", "Expect: foo"), ("Expect: foo", "Expect: 100-continue")):
            self.refused_and_closed(self.retry(JSON, *fields, "Content-Length: 2") + b"{}", 417)

    def test_who_will_be_refused_is_not_told_to_go_on(self):
        for data, status in ((request("POST", self.path, JSON, "Expect: 100-continue", "Content-Length: 2"), 401),
                             (self.retry(JSON, "Expect: 100-continue", "Content-Length: 20000"), 413),
                             (self.retry("Content-Type: text/plain", "Expect: 100-continue", "Content-Length: 2"),
                              415)):
            with Connection(self.port) as connection:
                connection.send(data)
                self.assertEqual(connection.head()[1], status)

    def test_who_speaks_http_1_0_is_not_told_to_go_on(self):
        with Connection(self.port) as connection:
            connection.send(self.retry(JSON, "Expect: 100-continue", "Content-Length: 2", version="HTTP/1.0") + b"{}")
            self.assertEqual(connection.head()[1], 202, "it knows no interim answers")

    def test_sixty_fields_of_nonsense_change_nothing(self):
        fields = [f"X-{n}: {'~' * n}" for n in range(40)] + ["If-Match: x", "If-Modified-Since: never",
                                                             "If-Unmodified-Since: 0", "TE: trailers",
                                                           "Max-Forwards: 0", "Via: 1.1 x", "Forwarded: for=evil",
                                                             "X-Forwarded-For: ::1"]
        check_run(self.ask(self.get(f"/api/runs/{self.run_id}", *fields)).json)
        self.accepted(self.retry(*fields))

    def test_many_callers_with_odd_fields_are_served_at_once(self):
        def one(n):
            return self.ask(self.retry(f"Idempotency-Key: many-{n}", f"traceparent: {n}", f"Prefer: {n}",
                                       f"Accept: {n}/*")).status
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            self.assertEqual(set(pool.map(one, range(100))), {202})
        self.assertEqual(len({*self.known_runs()}), self.stack.redis.call("ZCARD", P0 + "runs:acme"))


if __name__ == "__main__":
    unittest.main()
