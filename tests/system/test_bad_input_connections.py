"""Connections that pipeline, half-close, break off, ask for another protocol, or are too many."""
import concurrent.futures
import contextlib
import resource
import select
import socket
import struct
import unittest

from contract import check_accepted, check_error, check_run
from raw_http import Connection, request
from stack import wait_for
from unharmed import JSON, BadInputTest, memory, most_growth, open_files

RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with a time of 0: close() sends RST


class Connections(BadInputTest):
    options = {**BadInputTest.options, "serve": ("--rate", 0)}  # one key asks for thousands of things at once

    def test_no_other_protocol_is_changed_to(self):
        for fields in (("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
                       ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                        "Sec-WebSocket-Version: 13"),
                       ("Upgrade: TLS/1.2", "Connection: upgrade"), ("Connection: Authorization",),
                       ("Connection: Transfer-Encoding",),
                       ("Connection: x, y,, z",), ("Keep-Alive: timeout=99999",), ("Proxy-Connection: keep-alive",)):
            with Connection(self.port) as connection:
                connection.send(self.get(f"/api/runs/{self.run_id}", *fields) + self.get("/livez"))
                answer = connection.answer()
                check_run(answer.json)
                self.assertNotIn("Upgrade", answer.headers)
                self.assertEqual(connection.answer().status, 200)

    def test_a_connection_lasts_as_long_as_was_asked_for(self):
        for version, field, closes in (("HTTP/1.1", "close", True), ("HTTP/1.1", "close, keep-alive", True),
                                       ("HTTP/1.1", "keep-alive", False),
                                       ("HTTP/1.0", "x", True), ("HTTP/1.0", "keep-alive", False),
                                       ("HTTP/1.0", "close", True)):
            with Connection(self.port) as connection:
                one = request("GET", "/livez", f"Connection: {field}", version=version)
                connection.send(one + one)
                self.assertEqual(connection.answer().status, 200)
                second = connection.answer() if not closes else None
                self.assertTrue(connection.ended() if closes else second.status == 200, (version, field))

    def pipelined(self, count, body_of=lambda n: b'{"reason":"%d"}' % n):
        return b"".join(self.retry(body=body_of(n)) for n in range(count))

    def test_a_hundred_retries_in_one_packet_are_answered_in_order(self):
        with Connection(self.port, timeout=30) as connection:
            connection.send(self.pipelined(100))
            reasons = [check_accepted(connection.answer(), True)["run"]["inputSummary"]["lineage"]["reason"]
                       for _ in range(100)]
        self.assertEqual(reasons, [str(n) for n in range(100)])

    def test_who_says_that_nothing_follows_hears_all_answers(self):
        with Connection(self.port, timeout=30) as connection:
            connection.send(self.pipelined(100))
            connection.end_sending()
            for _ in range(100):
                check_accepted(connection.answer(), True)
            self.assertTrue(connection.ended())

    def test_pipelined_requests_end_at_the_first_that_must_close(self):
        with self.nothing_accepted(), Connection(self.port) as connection:
            connection.send(self.get("/livez") * 3 + b"garbage\r\n\r\n" + self.pipelined(5))
            self.assertEqual([connection.answer().status for _ in range(3)], [200] * 3)
            self.assertGreaterEqual(connection.answer().status, 400)
            self.assertTrue(connection.ended())

    def test_pipelining_without_reading_takes_no_memory(self):
        before = memory(self.stack.api)
        with contextlib.ExitStack() as opened:
            connections = [opened.enter_context(Connection(self.port, 1, receive_buffer=4096)) for _ in range(16)]
            for connection in connections:
                with contextlib.suppress(TimeoutError):  # it is read from no further
                    connection.send(self.get(f"/api/runs/{self.run_id}") * 20_000)
            self.assertEqual(self.client.get("/livez").status, 200)
            self.assertLess(memory(self.stack.api) - before, most_growth(self.stack.api, 64 << 20))

    def test_half_a_request_and_no_more_is_answered_with_nothing_or_a_refusal(self):
        whole = self.retry(body=b'{"reason":"half"}')
        with self.nothing_accepted():
            for size in (1, 10, 40, len(whole) - 20, len(whole) - 1):
                with Connection(self.port) as connection:
                    connection.send(whole[:size])
                    connection.end_sending()
                    answer = connection.answer()
                    self.assertTrue(answer is None or answer.status in (400, 408), answer)
                    self.assertTrue(connection.ended())

    def break_off(self, data, until=lambda: True):
        with Connection(self.port) as connection:
            connection.send(data)
            wait_for("it is time", until, every=0.005)
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)

    def test_who_breaks_off_after_sending_has_made_one_run_at_most(self):
        for n in range(30):
            before = len(self.known_runs())
            data = request("POST", self.path, f"Idempotency-Key: broken-off-{n}", JSON, "Content-Length: 2",
                           key=self.key) + b"{}"
            accepted = (lambda before=before: len(self.known_runs()) > before) if n % 2 else (lambda: True)
            self.break_off(data, accepted)
            check_accepted(self.ask(data), True)
            self.assertEqual(len(self.known_runs()), before + 1)

    def test_who_breaks_off_anywhere_leaves_nothing(self):
        whole = self.retry(JSON, "Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n\r\n"
        watch = self.get(f"/api/runs/{self.run_id}/events")
        held = self.get(f"/api/runs/{self.run_id}", "Prefer: wait=60")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(self.break_off, [whole[:size] for size in range(0, len(whole), 3)] + [watch, held] * 50))


class TooMany(BadInputTest):
    """10,000 connections that say nothing: as many as each address may have, and as many as there may be."""
    of_one, of_all = 1024, 4096

    @classmethod
    def setUpClass(cls):
        """Room for both ends of them, ours and the API's, which has our limits."""
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(11_000, min(most, 20_000)), most))
        super().setUpClass()

    def idle(self, source, count, opened):
        return [opened.enter_context(Connection(self.port, 30, source)) for _ in range(count)]

    def turned_away(self, connection):
        answer = connection.answer()
        check_error(answer, 503, "overloaded")
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        self.assertEqual(answer.headers["Connection"], "close")
        return connection.ended()

    def answered(self, connections, least):
        """Those of them to whom something was said; waits until they are so many."""
        poll = select.poll()
        for connection in connections:
            poll.register(connection.socket, select.POLLIN)
        wait_for(f"{least} are answered", lambda: len(poll.poll(100)) >= least)
        told = {descriptor for descriptor, _ in poll.poll(100)}
        return [connection for connection in connections if connection.socket.fileno() in told]

    def test_ten_thousand_idle_connections_take_no_room_from_others(self):
        files = open_files(self.stack.api)
        with contextlib.ExitStack() as opened:
            first = self.idle("127.0.0.31", 1500, opened)
            wait_for("the address has all it may", lambda: open_files(self.stack.api) >= files + self.of_one)
            refused = self.answered(first, 1500 - self.of_one)
            self.assertEqual(len(refused), 1500 - self.of_one)
            for connection in refused:
                self.assertTrue(self.turned_away(connection))
            self.assertEqual(self.client.get("/livez").status, 200)
            more = [c for n in range(8) for c in self.idle(f"127.0.0.{40 + n}", 1062, opened)]
            self.assertEqual(len(first) + len(more), 9996)
            wait_for("there are as many as there may be", lambda: open_files(self.stack.api) >= files
                     + self.of_all - 8)
            self.assertTrue(self.turned_away(self.answered(more, 1)[-1]))
            self.assertEqual(self.client.get("/livez").status, 200, "who is connected goes on")
            self.assertLessEqual(open_files(self.stack.api), files + self.of_all + 8)
        wait_for("all of them are given up", lambda: open_files(self.stack.api) <= files + 2)
        for source in ("127.0.0.31", "127.0.0.47"):
            with Connection(self.port, source=source) as connection:
                connection.send(self.retry())
                check_accepted(connection.answer(), True)


if __name__ == "__main__":
    unittest.main()
