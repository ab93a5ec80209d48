"""Bodies of a retry: absent, odd, malformed, hostile, too large, or in another format."""
import gzip
import json
import subprocess
import sys
import time
import unittest

from contract import check_accepted, check_error
from raw_http import Connection
from stack import ROOT
from unharmed import JSON, BadInputTest, memory, most_growth

LIMIT = 16 << 10  # bytes of a retry's body

NUMBERS = (b"NaN", b"Infinity", b"01", b"0x10", b"+1", b"1.", b".5", b"-", b"1e", b"1e400", b"9" * 16000)
NO_JSON = (b'{"reason":"a",}', b'{/*c*/"reason":"a"}', b'{"reason":"a"}//', b"{'reason':'a'}", b"{reason:1}", b"{}{}",
           b"{} x",
           b"   ", b"}", b'{"reason"}', b'{"reason":"a"', b'{"reason":"\\x41"}', b'{"reason":"a\nb"}', b"\0")
NO_UTF_8 = (b'{"reason":"\xc0\xaf"}', b'{"x":"\xf5\x80\x80\x80"}', b'{"\xff":1}', b'{"reason":"\xe2\x82"}',
            b'{"reason":"\xed\xa0\xbd\xed\xb8\x80"}', "{}".encode("utf-16"), b'{"reason":"\\ud800\\ud800"}',
            b'{"\\ud800":1}')

# Inert everywhere: text to us, and code, markup, a format or an order to somebody else.
HOSTILE = ("<script>alert(1)</script>", "{{7*7}}${7*7}", "'; DROP TABLE runs; --", "$(id) `id` | id", "%s%n%x%99999d",
           "a\r\nX-Injected: 1\r\n\r\nHTTP/1.1 200 OK", '=HYPERLINK("http://evil")',
           '{"level":"error","event":"request_failed"}',
           "*3\r\n$8\r\nFLUSHALL\r\n", "\x1b[31mred\x1b]0;title\x07", "\x01\x08\x7f\x9b\x85", "../../etc/passwd",
           "\u202eesrever\u200b\u2066\ufeff", "\U0001f469\u200d\U0001f469\u200d\U0001f467", "a" + "\u0301" * 999,
           "\uffff\U0010ffff", "run_", "{p0}:*")


class Bodies(BadInputTest):
    options = {**BadInputTest.options, "settings": ("--log", "debug")}

    def with_body(self, body, *fields):
        return self.retry(*fields, body=body)

    def test_a_retry_needs_no_body(self):
        for data in (self.retry(), self.retry("Content-Length: 0"), self.with_body(b"{}"),
                     self.with_body(b'{"reason":""}'),
                     self.with_body(b"\n {} \t\r\n"), self.retry(JSON, "Transfer-Encoding: chunked") + b"0\r\n\r\n"):
            self.assertNotIn("reason", self.accepted(data)["run"]["inputSummary"]["lineage"])

    def test_a_reason_that_is_no_text_and_a_body_that_is_no_object_are_refused(self):
        for body in (b'{"reason":null}', b'{"reason":5}', b'{"reason":[]}', b'{"reason":{}}', b'{"reason":true}',
                     b"[]", b'"x"',
                     b"null", b"1", b"true", b'{"reason":1e-2147483648}'):
            with self.subTest(body=body):
                self.refused(self.with_body(body), 400, "invalid_body")

    def test_fields_that_nobody_knows_change_nothing(self):
        source = self.stack.run_hash(self.run_id)
        before = self.accepted(self.with_body(b"{}"))
        after = self.accepted(self.with_body(json.dumps({
            "reasn": "x", "project": "other", "projectId": "prj_1", "orgId": "other", "org": "other",
                                                         "status": "complete",
            "id": self.run_id, "run": {"status": "ready"}, "mode": "custom", "createdByUserId": "root",
                                                         "Reason": "upper case",
            "__proto__": {"reason": "x"}, "constructor": {"prototype": {}}, "epoch": 99, "token": "t", "notes": "n",
            "deep": [[[{"a": [None]}]]]}).encode()))
        self.assertEqual(self.stack.run_hash(self.run_id), source)
        mine = [{k: v for k, v in self.run_of(body).items() if k not in ("created", "history", "nth", "ticket",
                                                                         "keptUntil", "trace", "request")}
                for body in (before, after)]
        self.assertEqual(*mine)
        self.assertEqual(before["project"]["id"], after["project"]["id"])

    def test_numbers_of_any_kind_do_no_harm(self):
        for number in NUMBERS:
            with self.subTest(number=number[:20]):
                self.refused(self.with_body(b'{"x":' + number + b"}"), 400, "invalid_body")
        for number in (b"1e-2147483648", b"-0", b"1e308", b"0." + b"0" * 16000 + b"1"):
            answer = self.ask(self.with_body(b'{"x":' + number + b"}"))  # sound JSON in a field that nobody knows
            self.assertIn(answer.status, (202, 400), number[:20])

    def test_what_is_nearly_json_is_refused(self):
        for body in NO_JSON:
            with self.subTest(body=body):
                self.refused(self.with_body(body), 400, "invalid_body")

    def test_nothing_may_follow_the_object_behind_a_nul_either(self):
        for body in (b"{}\0", b'{"reason":"a"}\0{"reason":"b"}', b"{}\0" + b"x" * 1000):
            with self.subTest(body=body[:20]):
                self.refused(self.with_body(body), 400, "invalid_body")

    def test_what_is_not_utf_8_is_refused(self):
        for body in NO_UTF_8:
            with self.subTest(body=body):
                self.refused(self.with_body(body), 400, "invalid_encoding")

    def test_half_a_surrogate_pair_is_refused_whichever_half(self):
        for body in (b'{"reason":"\\udc00"}', b'{"reason":"a\\udfffb"}', b'{"reason":"\\udc00\\ud800"}',
                     b'{"x":"\\udc00"}'):
            with self.subTest(body=body):
                self.refused(self.with_body(body), 400, "invalid_encoding")

    def test_the_length_of_a_reason_is_counted_in_characters(self):
        for character in ("x", "\u0301", "\U0001f6b2"):
            self.accepted(self.with_body(json.dumps({"reason": character * 1000}).encode()))
            self.refused(self.with_body(json.dumps({"reason": character * 1001}).encode()), 400, "reason_too_long")

    def test_depth_is_bounded_however_deep(self):
        before = memory(self.stack.api)
        for body in (b'{"x":' + b"[" * 16 + b"]" * 16 + b"}", b'{"x":' + b"[" * 16000, b'{"x":' * 2700):
            self.refused(self.with_body(body), 400, "too_deep")
        for brackets in (b"[" * 1_000_000, b'{"a":' * 200_000):
            answer = self.client.call("POST", "/api/reports/start", b'{"x":' + brackets)
            check_error(answer, 400, "too_deep")
        self.assertLess(memory(self.stack.api) - before, most_growth(self.stack.api))

    def test_hostile_text_stays_text(self):
        for reason in HOSTILE:
            with self.subTest(reason=reason):
                run = self.accepted(self.with_body(json.dumps({"reason": reason}).encode()))["run"]["id"]
                answer = self.client.get(f"/api/runs/{run}")
                self.assertEqual(answer.json["inputSummary"]["lineage"]["reason"], reason)
                self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
                self.assertNotRegex(answer.body, rb"[\x00-\x1f]", "a control character that is not escaped")
        self.refused(self.with_body(b'{"reason":"a\\u0000b"}'), 400, "invalid_body")

    def test_a_log_line_stays_a_line_whatever_callers_send(self):
        for reason in HOSTILE:
            self.accepted(self.with_body(json.dumps({"reason": reason}).encode()))
        self.ask(self.get("/api/runs/a%0d%0a%1b[31m" + '{"event":"x"}'))
        for line in self.stack.api.log_text().splitlines():
            self.assertIsInstance(json.loads(line), dict, line)
            self.assertNotRegex(line, r"[\x00-\x1f\x7f-\x9f]")

    def test_a_terminal_is_not_driven_by_what_it_shows(self):
        for reason in HOSTILE[-9:-6]:
            run = self.accepted(self.with_body(json.dumps({"reason": reason}).encode()))["run"]["id"]
            for words in (("get", run), ("list",), ("cancel", run, "--reason", reason)):
                done = subprocess.run([sys.executable, ROOT / "scripts/reprise", *words], capture_output=True,
                                      timeout=20,
                                      env={"REPRISE_URL": f"http://127.0.0.1:{self.port}",
                                           "REPRISE_API_KEY": self.key},
                                      check=False)
                self.assertEqual(done.returncode, 0, done)
                self.assertNotRegex(done.stdout.decode() + done.stderr.decode(), r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

    def test_the_limit_of_a_body_is_exact(self):
        start = b'{"reason":"a"}'
        self.accepted(self.with_body(start + b" " * (LIMIT - len(start))))
        self.refused_and_closed(self.with_body(start + b" " * (LIMIT + 1 - len(start))), 413)

    def test_a_body_that_says_it_is_huge_is_refused_before_it_comes(self):
        for size in (10_000_000_000, (1 << 63) - 1, (1 << 64) - 1):
            self.refused_and_closed(self.retry(JSON, f"Content-Length: {size}"), 413)
        for field in ("Expect: 100-continue", "Expect: 100-Continue"):
            self.refused_and_closed(self.retry(JSON, f"Content-Length: {LIMIT + 1}", field), 413)

    def test_a_body_without_an_end_is_refused_and_read_no_further(self):
        chunk, sent, began = b"4000\r\n" + b" " * 0x4000 + b"\r\n", 0, time.monotonic()
        with self.nothing_accepted(), Connection(self.port) as connection:
            connection.send(self.retry(JSON, "Transfer-Encoding: chunked"))
            while connection.send(chunk) and sent < 1 << 30:
                sent += len(chunk)
            answer = connection.answer()
        self.assertTrue(answer is None or answer.status == 413, answer)  # its end may overtake the answer
        self.assertLess(sent, 256 << 20)
        self.assertLess(time.monotonic() - began, 15)
        self.assertEqual(self.refused_and_closed(self.retry(JSON, "Transfer-Encoding: chunked") + chunk * 2,
                                                 413).status, 413)

    def test_a_compressed_body_is_not_unpacked(self):
        bomb = gzip.compress(b'{"reason":"' + b"a" * 10_000_000 + b'"}')
        for coding in ("gzip", "deflate", "br", "identity", "gzip, gzip", "x"):
            self.refused_and_closed(self.with_body(bomb, f"Content-Encoding: {coding}"), 415)

    def test_a_body_of_another_type_is_refused(self):
        types = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "*/*", "",
                 "json",
                 "application/json; charset=utf-16", "application/json; charset=latin1",
                 "application/json, text/plain",
                 "application/json; charset=utf-8; x=y", "application/merge-patch+json", "application/problem+json")
        for kind in types:
            with self.subTest(kind=kind):
                self.refused_and_closed(self.retry(f"Content-Type: {kind}", "Content-Length: 2") + b"{}", 415)
        self.refused_and_closed(self.retry("Content-Length: 2") + b"{}", 415)
        self.refused_and_closed(self.retry(JSON, JSON, "Content-Length: 2") + b"{}", 415)

    def test_json_is_answered_whatever_the_caller_would_rather_have(self):
        for accept in ("text/html", "application/xml", "application/json;q=0", "", "x" * 8000, "*/*;q=0"):
            answer = self.ask(self.retry(f"Accept: {accept}"))
            check_accepted(answer, of_retry=True)
            self.assertEqual(answer.headers["Content-Type"], "application/json")


if __name__ == "__main__":
    unittest.main()
