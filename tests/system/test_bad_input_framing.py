"""Requests that are no HTTP, or that two readers could read in two ways: one answer, then they are closed."""
import time
import unittest

from contract import check_accepted, check_error
from raw_http import Connection, exchange, request
from unharmed import JSON, BadInputTest

CHUNKED = "Transfer-Encoding: chunked"
END = b"0\r\n\r\n"
NO_HTTP = (400, 505)  # what somebody hears who speaks something else
HIDDEN = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"  # must never be answered as a request of its own

LENGTHS = ("-2", "+2", "0x2", "2, 2", "2,3", "", "2.0", "2e0", "two", "18446744073709551616", "1" * 400, "\xb2",
           "2 2", "2;", "-0")
CODINGS = ("gzip", "identity", "xchunked", "chunked, chunked", "gzip, chunked", "chunked, identity", "chunked;q=1",
           "", ",",
           "chunked,", "\"chunked\"", "chunked\x0b", "chu nked", "x" * 8000)
CHUNKS = {"larger than any number": b"FFFFFFFFFFFFFFFF1\r\n{}\r\n" + END, "negative": b"-2\r\n{}\r\n" + END,
          "signed": b"+2\r\n{}\r\n" + END, "with 0x": b"0x2\r\n{}\r\n" + END,
          "with a space before": b" 2\r\n{}\r\n" + END,
          "with a space after": b"2 \r\n{}\r\n" + END, "without a size": b"\r\n{}\r\n" + END,
          "no number": b"g\r\n{}\r\n" + END,
          "without its line end": b"2\r\n{}0\r\n\r\n", "longer than it says": b"1\r\n{}\r\n" + END,
          "with a bare return": b"2\r{}\r\n" + END, "with a quoted line end": b'2;a="\r\n{}\r\n' + END + HIDDEN
          + b'"\r\n{}\r\n' + END,
          "of which two parsers read two lengths": b'2;a="\r\nxx"\r\n{}\r\n' + END}
TRAILERS = ("Authorization: Bearer x", "Content-Length: 5", "Host: evil", "X: y", "Idempotency-Key: a", CHUNKED,
            "Content-Type: text/plain", "Trailer: x", "X: a\r\n b")
NOT_HTTP = {"HTTP/0.9": b"GET /livez\r\n", "HTTP/0.9 with an empty line": b"GET /livez\r\n\r\n",
            "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
            "HTTP/1.2": b"GET /livez HTTP/1.2\r\nHost: x\r\n\r\n",
            "HTTP/2.0": b"GET /livez HTTP/2.0\r\nHost: x\r\n\r\n",
            "HTTP/1.10": b"GET /livez HTTP/1.10\r\nHost: x\r\n\r\n",
            "lower case": b"GET /livez http/1.1\r\nHost: x\r\n\r\n",
            "another protocol": b"GET /livez ICAP/1.0\r\nHost: x\r\n\r\n",
            "mail": b"EHLO x\r\n"}
NOISE = {"TLS": bytes.fromhex("16030100c8010000c40303") + bytes(200), "Redis": b"PING\r\n",
         "Redis' arrays": b"*1\r\n$4\r\nPING\r\n",
         "SSH": b"SSH-2.0-OpenSSH_9\r\n", "every byte": bytes(range(256)) * 4, "NULs": bytes(500),
         "a method with a space": b" GET / \r\n"}
LINE = "GET /livez HTTP/1.1\r\n"
HEADERS = {"a line without a colon": LINE + "Host: x\r\nabc\r\n\r\n", "a NUL": LINE + "Host: x\r\nX: a\0b\r\n\r\n",
           "a control character": LINE + "Host: x\r\nX: a\1b\r\n\r\n", "a DEL": LINE + "Host: x\r\nX: a\x7fb\r\n\r\n",
           "bare line feeds": "GET /livez HTTP/1.1\nHost: x\n\n", "a bare line feed": LINE + "Host: x\nX: y\r\n\r\n",
           "a bare line feed at the end": LINE + "Host: x\r\n\n",
           "a bare return": LINE + "Host: x\r\nX: a\rb\r\n\r\n",
           "two returns": "GET /livez HTTP/1.1\r\r\nHost: x\r\n\r\n",
           "a leading space": LINE + " X: y\r\nHost: x\r\n\r\n", "a leading tab": LINE + "\tX: y\r\nHost: x\r\n\r\n",
           "no name": LINE + "Host: x\r\n: y\r\n\r\n", "a space in a name": LINE + "Host: x\r\nX y: z\r\n\r\n",
           "a space before the colon": LINE + "Host: x\r\nX : z\r\n\r\n",
           "a name that is not ASCII": LINE + "Host: x\r\nX\xe9: z\r\n\r\n",
           "two spaces in the first line": "GET  /livez HTTP/1.1\r\nHost: x\r\n\r\n",
           "a space after the first line": "GET /livez HTTP/1.1 \r\nHost: x\r\n\r\n"}
FOLDED = {"a folded value": LINE + "Host: x\r\nX: a\r\n b\r\n\r\n", "a folded Host": LINE + "Host: x\r\n y\r\n\r\n",
          "a folded coding": "POST /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\n\r\n"
          + END.decode(),
          "a folded length": "POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\t2\r\n\r\n{}",
          "a folded key": LINE + "Host: x\r\nAuthorization: Bearer\r\n x\r\n\r\n"}
TOO_LARGE = {"a line of 64 kB": LINE + "Host: x\r\nX: " + "y" * 65536 + "\r\n\r\n",
             "a name of 64 kB": LINE + "X" * 65536 + ": y\r\n\r\n",
             "1,000 fields": LINE + "Host: x\r\n" + "X: y\r\n" * 1000 + "\r\n",
             "65 fields": LINE + "Host: x\r\n" + "X: y\r\n" * 64 + "\r\n",
             "a first line of 300 kB": "GET /" + "x" * 300_000 + " HTTP/1.1\r\nHost: x\r\n\r\n",
             "no line end in 300 kB": "A" * 300_000}


class Framing(BadInputTest):
    def each_refused(self, table, *statuses):
        for name, data in table.items():
            with self.subTest(name):
                self.refused_and_closed(data.encode("latin-1") if isinstance(data, str) else data, *statuses)

    def test_more_than_the_stated_length_is_the_next_request(self):
        both = self.retry(JSON, "Content-Length: 2") + b"{}"
        for rest in (b"garbage\r\n\r\n", b'","x":1}', b"HTTP/1.1 200 OK\r\n\r\n", b"\0"):
            with self.subTest(rest=rest):
                answers, took = exchange(self.port, both + rest)
                self.assertEqual(len(answers), 2, answers)
                check_accepted(answers[0], of_retry=True)
                self.assertIn(answers[1].status, NO_HTTP)
                self.assertEqual(answers[1].headers["Connection"], "close")
                self.assertLess(took, 5)
        with Connection(self.port) as connection:
            connection.send(both + HIDDEN)
            self.assertEqual([connection.answer().status, connection.answer().status], [202, 200])

    def test_a_length_that_is_not_one_number_is_refused(self):
        for length in LENGTHS:
            with self.subTest(length=length):
                data = self.retry(JSON, b"Content-Length: " + length.encode("latin-1"))
                self.refused_and_closed(data + b"{}" + HIDDEN, 400)
        for second in ("2", "3"):
            self.refused_and_closed(self.retry(JSON, "Content-Length: 2", f"Content-Length: {second}") + b"{}"
                                    + HIDDEN, 400)

    def test_a_length_and_a_coding_contradict_each_other(self):
        for fields in (("Content-Length: 2", CHUNKED), (CHUNKED, "Content-Length: 2"), ("Content-Length: 0", CHUNKED),
                       ("Transfer-Encoding: gzip", "Content-Length: 2"),
                       ("Transfer-Encoding: identity", "Content-Length: 2")):
            self.refused_and_closed(self.retry(JSON, *fields) + b"2\r\n{}\r\n" + END + HIDDEN, 400, 501)

    def test_the_only_coding_is_chunked_alone_and_once(self):
        for coding in CODINGS:
            with self.subTest(coding=coding[:20]):
                self.refused_and_closed(self.retry(JSON, f"Transfer-Encoding: {coding}") + b"2\r\n{}\r\n" + END
                                        + HIDDEN, 400, 501)
        for fields in ((CHUNKED, CHUNKED), ("Transfer-Encoding: gzip", CHUNKED),
                       (CHUNKED, "Transfer-Encoding: identity"),
                       ("Transfer-Encoding : chunked",), ("Transfer-Encoding\t: chunked",), ("\x0b" + CHUNKED,)):
            with self.subTest(fields=fields):
                self.refused_and_closed(self.retry(JSON, *fields) + b"2\r\n{}\r\n" + END + HIDDEN, 400, 501)
        self.refused_and_closed(self.retry(JSON, CHUNKED, version="HTTP/1.0") + b"2\r\n{}\r\n" + END + HIDDEN, 400)

    def test_blanks_around_a_value_are_no_part_of_it(self):
        for fields in (("Content-Length: 2 \t",), ("Content-Length:2",), ("Content-Length:\t 2",)):
            self.in_step(self.retry(JSON, *fields) + b"{}")
        for fields in ((CHUNKED + " \t",), ("Transfer-Encoding:chunked",), ("Transfer-Encoding: \tchunked",),
                       (CHUNKED.upper(),)):
            self.in_step(self.retry(JSON, *fields) + b"2\r\n{}\r\n" + END)

    def in_step(self, data):
        """Accepted, and what comes next on the connection is read from its first byte."""
        with Connection(self.port) as connection:
            connection.send(data + request("GET", "/livez", "X: next"))
            check_accepted(connection.answer(), of_retry=True)
            self.assertEqual(connection.answer().status, 200)

    def test_chunks_that_are_malformed_are_refused(self):
        for name, chunks in CHUNKS.items():
            with self.subTest(name):
                self.refused_and_closed(self.retry(JSON, CHUNKED) + chunks, 400)

    def test_a_chunk_has_no_room_for_a_megabyte_of_extension(self):
        self.refused_and_closed(self.retry(JSON, CHUNKED) + b"2;" + b"x" * (1 << 20) + b"\r\n{}\r\n" + END, 400)

    def test_trailers_are_never_honoured(self):
        for trailer in TRAILERS:
            body = b"2\r\n{}\r\n0\r\n" + trailer.encode() + b"\r\n\r\n"
            with self.subTest(trailer):
                self.refused_and_closed(self.retry(JSON, CHUNKED) + body + HIDDEN, 400)
                announced = "Trailer: " + trailer.split(":")[0]
                self.refused_and_closed(self.retry(JSON, CHUNKED, announced) + body + HIDDEN, 400)
        keyless = request("POST", self.path, JSON,
                          CHUNKED) + b"2\r\n{}\r\n0\r\nAuthorization: Bearer " + self.key.encode()
        self.refused_and_closed(keyless + b"\r\n\r\n", 401)
        self.refused_and_closed(self.retry(JSON, CHUNKED) + b"2\r\n{}\r\n0\r\n"
                                + b"X: yyyyyyyyyyyyyyyyyy\r\n" * 100_000, 400, 431)

    def test_other_protocols_are_told_so_at_once(self):
        began = time.monotonic()
        self.each_refused(NOT_HTTP, *NO_HTTP)
        self.assertLess(time.monotonic() - began, 10)

    def test_what_does_not_begin_with_a_method_is_no_request(self):
        self.each_refused(NOISE, *NO_HTTP)

    def test_whoever_speaks_no_http_fills_no_log(self):
        before = len(self.stack.api.log_text().splitlines())
        for data in (*NOT_HTTP.values(), *NOISE.values()):
            exchange(self.port, data)
        lines = self.stack.api.log_text().splitlines()[before:]
        self.assertLessEqual(len(lines), len(NOT_HTTP) + len(NOISE), lines)

    def test_header_lines_that_are_malformed_are_refused(self):
        self.each_refused(HEADERS, 400)

    def test_a_value_goes_on_on_no_second_line(self):
        self.each_refused(FOLDED, 400)
        self.refused_and_closed(self.retry(JSON, " " + CHUNKED) + b"2\r\n{}\r\n" + END + HIDDEN, 400)

    def test_headers_that_are_too_large_are_refused(self):
        self.each_refused(TOO_LARGE, 400, 414, 431)
        for fields in (["X: y"] * 62, ["X: " + "y" * 15_000]):
            self.assertEqual(self.ask(request("GET", "/livez", *fields)).status, 200)

    def test_a_refusal_before_the_request_is_known_is_json_too(self):
        answer = self.refused_and_closed(b"GET /livez HTTP/1.1\r\n\r\n", 400)
        check_error(answer, 400, "bad_request")
        for name in ("Date", "X-Request-Id", "Content-Length"):
            self.assertTrue(answer.headers[name], name)


if __name__ == "__main__":
    unittest.main()
