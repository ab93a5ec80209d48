"""Thousands of requests that were sound once and have been changed at random, on many connections at once; 100,000 of them
with REPRISE_FULL=1. Each is answered, up to the first on a connection that must end it, and the API is as it was before."""
import collections
import contextlib
import json
import random
import select
import threading
import unittest

from contract import ERROR, check_object
from persistent import sized
from pipelines import DOCUMENT
from raw_http import Connection, request
from retrying import another_id
from test_openapi import error_codes
from unharmed import BadInputTest

REQUESTS, CONNECTIONS = sized(6_000, 100_000), 100
SEED = 7
HURRY = 0.25     # seconds without an answer, after which we say that nothing more will come
PATIENCE = 20    # seconds for the rest
PIECES = (b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b"%", b"\xff", b"\x80", b"chunked", b"Transfer-Encoding: chunked\r\n",
          b"Content-Length: 5\r\n", b"Content-Length: 99999999999\r\n", b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"HTTP/1.0",
          b"HTTP/2.0", b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", b"0\r\n\r\n", b"{", b"}", b"\"", b"\\ud800", b"[" * 40, b"1e999", b"-1",
          b"Host: y\r\n", b"x" * 3000, b"../", b"%00", b";", b"Idempotency-Key: a\r\n", b"Range: bytes=0-\r\n", b"If-None-Match: *\r\n")


def changed(data, dice):
    """One to five random changes."""
    for _ in range(dice.choice((1, 1, 2, 3, 5))):
        at = dice.randrange(len(data) + 1)
        upto = min(len(data), at + dice.choice((1, 1, 2, 8, 40)))
        match dice.randrange(6):
            case 0:
                data = data[:at] + dice.choice(PIECES) + data[at:]
            case 1:
                data = data[:at] + data[upto:]
            case 2:
                data = data[:at] + bytes(dice.randrange(256) for _ in range(upto - at)) + data[upto:]
            case 3:
                data = data[:at] + data[at:upto] * dice.choice((2, 3, 50)) + data[upto:]
            case 4:
                data = data[:at] + dice.choice(PIECES) + data[upto:]
            case _:
                other = dice.randrange(len(data) + 1)
                data = data[:at] + data[other:other + 60] + data[at:]
    return data


class Garbage(BadInputTest):
    options = {**BadInputTest.options, "serve": ("--rate", 0)}  # a key may not ask so often, and is to be heard all the same
    growth = 96 << 20

    def sound(self):
        unknown = another_id(self.run_id)
        chunked = ("Content-Type: application/json", "Transfer-Encoding: chunked")
        return (self.retry(body=b'{"reason":"once more"}'), self.retry(*chunked) + b"2\r\n{}\r\n0\r\n\r\n",
                request("POST", f"/api/runs/{unknown}/retry", "Idempotency-Key: k", "traceparent: 00-x", key=self.key, body=b"{}"),
                self.get(f"/api/runs/{self.run_id}", "If-None-Match: \"1\"", "Prefer: wait=1"), self.get("/api/runs?limit=2&status=queued"),
                self.get(f"/api/artifacts/download?runId={self.run_id}&key=input.openapi", "Range: bytes=0-9"),
                request("POST", "/api/reports/start", key=self.key, body=json.dumps({"openapiText": DOCUMENT, "mode": "flagship"}).encode()),
                request("POST", f"/api/runs/{unknown}/cancel", "Expect: 100-continue", key=self.key, body=b'{"reason":"x"}'),
                request("OPTIONS", self.path, "Origin: https://x", key=None), request("GET", "/openapi.json"))

    def test_each_is_answered_up_to_the_one_that_ends_the_connection(self):
        self.reader, self.codes = self.stack.key("acme", "runs:read"), error_codes()
        self.statuses, self.wrong, self.lock = collections.Counter(), [], threading.Lock()
        threads = [threading.Thread(target=self.talk, args=(n, REQUESTS // CONNECTIONS), daemon=True) for n in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(sized(120, 600))
        self.assertFalse([t for t in threads if t.is_alive()], "a connection never came to its end")
        self.assertEqual(self.wrong, [])
        self.assertGreaterEqual(sum(self.statuses.values()), REQUESTS, self.statuses)
        self.assertTrue({200, 202, 400, 401, 404, 405} <= set(self.statuses), self.statuses)

    def talk(self, number, count):
        """As long as a connection is kept, it is used for the next one."""
        dice, connection = random.Random(SEED * 1000 + number), None
        for n in range(count):
            data = changed(dice.choice(self.sound()), dice)
            try:
                connection = connection or Connection(self.port, PATIENCE)
                if not self.one(connection, data, f"probe-{number}-{n}"):
                    connection.socket.close()
                    connection = None
            except Exception as error:  # a thread's failure would pass unseen
                with self.lock:
                    self.wrong.append(f"{type(error).__name__} {error}: seed {SEED}, connection {number}, request {n}: {data!r}")
                return
        if connection:
            connection.socket.close()

    def one(self, connection, data, probe):
        """Sends it, and behind it a request whose answer is known again. Answers whether the connection goes on."""
        connection.send(data + request("GET", f"/api/runs/{probe}/retry", key=self.reader))
        answered, we_ended = 0, False
        while True:
            if not we_ended and not self.something_comes(connection):  # it is not whole
                we_ended = True
                with contextlib.suppress(OSError):  # it may have been reset
                    connection.end_sending()
            answer = connection.answer()
            if answer is None:
                assert answered or connection.was_reset, "closed without an answer"
                return False
            answered += 1
            if f'"runId":"{probe}"'.encode() in answer.body:
                return not we_ended
            self.check(answer)

    @staticmethod
    def something_comes(connection):
        return connection.buffer or select.select([connection.socket], [], [], HURRY)[0]

    def check(self, answer):
        with self.lock:
            self.statuses[answer.status] += 1
        assert answer.status != 500, answer
        if answer.status >= 400 and answer.body:
            check_object(answer.json, ERROR, "error")
            assert self.codes[answer.json["error"]][0] == answer.status, answer
        assert answer.headers["X-Request-Id"], answer


if __name__ == "__main__":
    unittest.main()
