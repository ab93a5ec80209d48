"""Callers that send or read slowly, or not at all: each is given up at its deadline, and others notice nothing."""
import concurrent.futures
import contextlib
import http.client
import select
import threading
import time
import unittest

from client import Api
from contract import check_accepted, check_error
from pipelines import DOCUMENT
from process import processor_seconds
from raw_http import Connection, request
from unharmed import JSON, BadInputTest

HEADER, BODY, WRITE, IDLE = 5, 10, 30, 60  # seconds that each may take, from its beginning
LATE = 4                          # seconds by which a busy host may be late
CHUNKED = "Transfer-Encoding: chunked"
DOCUMENT_BYTES = 6 << 20
EXPECTED_408 = ("body", "length", "expect", "drip_body", "drip_chunks", "bare_line_feeds")


class HealthyCaller(threading.Thread):
    """Retries all the while, from an address of its own; how long the slowest took."""

    def __init__(self, port, key, path, source):
        super().__init__(daemon=True)
        self.api = Api(port, key)
        self.api.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30, source_address=(source, 0))
        self.path, self.slowest, self.wrong, self.over = path, 0.0, [], threading.Event()

    def run(self):
        while not self.over.wait(0.1):
            began = time.monotonic()
            try:
                answer = self.api.post(self.path)
            except OSError as error:  # a thread's failure would pass unseen
                self.wrong.append(repr(error))
                continue
            self.slowest = max(self.slowest, time.monotonic() - began)
            if answer.status != 202:
                self.wrong.append(repr(answer))

    def stop(self):
        self.over.set()
        self.join(30)
        self.api.close()


class Slow(BadInputTest):
    def wait_for_the_end(self, first, piece=None, every=1.0):
        """Sends `first`, then a piece at a time, until something comes: seconds, answer, whether that was the end."""
        began = time.monotonic()
        with Connection(self.port, timeout=40) as connection:
            connection.send(first)
            while piece is not None and not select.select([connection.socket], [], [], every)[0]:
                if not connection.send(piece):
                    break
            try:
                answer = connection.answer()
            except TimeoutError:
                answer = None
            took = time.monotonic() - began
            return took, answer, connection.ended()

    def read_slowly(self, target, size):
        """A reader of a few bytes a second: how much it had read when the server gave up, and after how long."""
        began, read = time.monotonic(), 0
        with Connection(self.port, timeout=45, receive_buffer=4096) as connection:
            connection.send(self.get(target))
            while time.monotonic() - began < WRITE + LATE:
                read += len(connection.socket.recv(64))
                time.sleep(0.5)  # it is slow; nothing is awaited
            try:
                while piece := connection.socket.recv(1 << 16):
                    read += len(piece)
            except ConnectionResetError:
                pass
        self.assertLess(read, size, "a slow reader was served to the end")
        return read

    def begin_late(self):
        """The status of a request that begins shortly before an idle connection's time is up, and takes a while."""
        with Connection(self.port, timeout=20) as connection:
            connection.send(request("GET", "/livez"))
            self.assertEqual(connection.answer().status, 200)
            time.sleep(IDLE - 2)  # idle: nothing is awaited
            head = request("GET", "/livez")
            connection.send(head[:-2])
            time.sleep(3)
            connection.send(head[-2:])
            return connection.answer().status

    def stay_idle(self):
        """Seconds until a connection that is not used again is closed, without a word."""
        with Connection(self.port, timeout=IDLE + 10) as connection:
            connection.send(request("GET", "/livez"))
            self.assertEqual(connection.answer().status, 200)
            began = time.monotonic()
            self.assertIsNone(connection.answer())
            return time.monotonic() - began

    @contextlib.contextmanager
    def crowd(self):
        """900 more of the same address, in the middle of their headers, in the middle of their bodies, or silent."""
        head, body = request("GET", "/livez")[:-2], self.retry(JSON, "Content-Length: 100")
        with contextlib.ExitStack() as opened:
            for n in range(900):
                connection = opened.enter_context(Connection(self.port, 30))
                connection.send((head, body, b"")[n % 3])
            yield

    def callers(self, download):
        """name: what a caller does; each takes its deadline, all of them at once."""
        head = request("GET", "/livez")
        body = self.retry(JSON, "Content-Length: 100")
        wait = self.wait_for_the_end
        return {"half_header": lambda: wait(head[:-2]),
                "drip_header": lambda: wait(head[:-2], b"X: y\r\n"), "drip_line": lambda: wait(head[:-2] + b"X: ",
                                                                                               b"y"),
                "body": lambda: wait(body),
                "length": lambda: wait(body + b'{"reason":'),
                "expect": lambda: wait(self.retry(JSON, "Content-Length: 2", "Expect: 100-continue")),
                "drip_body": lambda: wait(body, b" "), "drip_chunks": lambda: wait(self.retry(JSON, CHUNKED),
                                                                                   b"1\r\n \r\n"),
                "bare_line_feeds": lambda: wait(self.retry(JSON, CHUNKED) + b"2\n{}\n0\n\n"),
                "reader": lambda: self.read_slowly(download, DOCUMENT_BYTES)}

    def test_each_is_given_up_at_its_deadline_and_the_others_notice_nothing(self):
        text = DOCUMENT + " " * DOCUMENT_BYTES
        run = check_accepted(self.client.start(text), of_retry=False)["run"]["id"]
        healthy = HealthyCaller(self.port, self.key, self.path, "127.0.0.2")
        healthy.start()
        busy, accepted = processor_seconds(self.stack.api.pid), len(self.known_runs())
        callers = self.callers(f"/api/artifacts/download?runId={run}&key=input.openapi")
        try:
            with concurrent.futures.ThreadPoolExecutor(len(callers) * 8 + 2) as pool, self.crowd():
                late, idle = pool.submit(self.begin_late), pool.submit(self.stay_idle)
                futures = {name: [pool.submit(call) for _ in range(1 if name == "reader" else 8)] for name,
                           call in callers.items()}
                ended = {name: [future.result() for future in all_of_one] for name, all_of_one in futures.items()}
        finally:
            healthy.stop()
        self.assertEqual(healthy.wrong, [])
        self.assertLess(healthy.slowest, 2.0)
        self.assertGreater(len(self.known_runs()), accepted + 50, "the healthy caller was hardly served")
        self.assertLess(processor_seconds(self.stack.api.pid) - busy, 15)
        ended.pop("reader")
        with self.subTest("a request that begins late on a connection that was kept"):
            self.assertEqual(late.result(), 200)
        with self.subTest("a connection that is not used again"):
            self.assertTrue(IDLE - 1 < idle.result() < IDLE + LATE, idle.result())
        for name, all_of_one in ended.items():
            for took, answer, closed in all_of_one:
                with self.subTest(name):
                    self.given_up_in_time(name, took, answer, closed)
        reasons = [self.stack.run_hash(run_id).get("reason", "") for run_id in self.known_runs()]
        self.assertEqual({*reasons}, {""}, "half a body became a run")

    def given_up_in_time(self, name, took, answer, closed):
        deadline = BODY if name in EXPECTED_408 else HEADER
        self.assertGreater(took, deadline - 0.5)
        self.assertLess(took, deadline + LATE)
        self.assertTrue(closed, "not closed")
        self.assertIsNotNone(answer, "closed without a word")
        check_error(answer, 408, "request_timeout")
        self.assertEqual(answer.headers["Connection"], "close")

    def test_chunks_of_one_byte_are_a_body_like_any_other(self):
        busy = processor_seconds(self.stack.api.pid)
        small = self.retry(JSON, CHUNKED)
        self.accepted(small + b"1\r\n \r\n" * 16_000 + b"2\r\n{}\r\n0\r\n\r\n")
        self.refused_and_closed(small + b"1\r\n \r\n" * 20_000, 413)
        self.assertLess(processor_seconds(self.stack.api.pid) - busy, 5)


if __name__ == "__main__":
    unittest.main()
