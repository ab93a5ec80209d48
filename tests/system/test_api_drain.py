"""The API is told to end: whoever has connected is answered, and told that the connection ends."""
import json
import signal
import socket
import time
import unittest

from pipelines import BUILT_IN_ONLY, DOCUMENT
from stack import FreshStackTest, wait_for


class ApiDrain(FreshStackTest):
    options = {"pipelines": BUILT_IN_ONLY, "workers": 0, "settings": ("--drain", "10")}

    def setUp(self):
        super().setUp()
        self.client = self.stack.client()

    def connect(self):
        one = socket.create_connection(("127.0.0.1", self.stack.port), timeout=20)
        self.addCleanup(one.close)
        return one

    def start_request(self, body=None):
        body = (body or json.dumps({"openapiText": DOCUMENT})).encode()
        return (f"POST /api/reports/start HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.client.key}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body

    @staticmethod
    def read_all(one):
        said = b""
        while piece := one.recv(65536):
            said += piece
        return said

    def test_connections_that_nobody_has_taken_yet_are_answered(self):
        self.stack.api.signal(signal.SIGSTOP)
        waiting = [self.connect() for _ in range(40)]  # the kernel takes them; nobody has accepted them
        for one in waiting:
            one.sendall(self.start_request())
        self.stack.api.signal(signal.SIGTERM)
        self.stack.api.signal(signal.SIGCONT)
        for one in waiting:
            said = self.read_all(one)
            self.assertTrue(said.startswith(b"HTTP/1.1 202 "), said[:200])
            self.assertIn(b"\r\nConnection: close\r\n", said)
        self.assertEqual(self.stack.api.child.wait(5), 0)
        self.assertEqual(self.stack.redis.call("ZCARD", "reprise:{p0}:runs:acme"), 40)

    def test_a_request_in_hand_is_answered_and_idle_connections_are_closed(self):
        idle, busy, silent = self.connect(), self.connect(), self.connect()
        idle.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertTrue(idle.recv(65536).startswith(b"HTTP/1.1 200 "))
        request = self.start_request()
        busy.sendall(request[:-10])
        self.client.get("/livez")  # by now the others have been taken
        time.sleep(0.2)  # nothing tells that the half request was read
        began = time.monotonic()
        self.stack.api.signal(signal.SIGTERM)
        self.stack.api.wait_log("draining")
        self.assertEqual(idle.recv(1), b"")
        wait_for("nobody listens any more", lambda: self.refused(), 5)
        self.assertEqual(silent.recv(1), b"")
        busy.sendall(request[-10:])
        said = self.read_all(busy)
        self.assertTrue(said.startswith(b"HTTP/1.1 202 ") and b"\r\nConnection: close\r\n" in said, said[:400])
        self.assertEqual(self.stack.api.child.wait(5), 0)
        self.assertLess(time.monotonic() - began, 5)

    def refused(self):
        try:
            socket.create_connection(("127.0.0.1", self.stack.port), timeout=5).close()
        except ConnectionRefusedError:
            return True
        return False


if __name__ == "__main__":
    unittest.main()
