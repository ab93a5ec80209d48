"""Replies of Redis that are not what was asked for, or none at all: an error for that call, and the next is right."""
import contextlib
import socket
import threading
import time
import unittest

from client import Api
from contract import check_accepted, check_error, check_run
from pipelines import BUILT_IN_ONLY, DOCUMENT
from stack import Stack, StackTest, wait_for
from unharmed import end_with_failed_requests, memory, most_growth

SHAPES = {  # sound, and not what was asked for
    "nil": b"$-1\r\n", "a nil array": b"*-1\r\n", "a number": b":7\r\n", "a word": b"+OK\r\n",
            "a text": b"$3\r\nabc\r\n", "an empty array": b"*0\r\n",
    "half a pair": b"*1\r\n$1\r\nx\r\n", "arrays": b"*2\r\n*0\r\n*1\r\n*0\r\n", "numbers": b"*2\r\n:1\r\n:2\r\n",
            "an error": b"-ERR no\r\n",
    "an error that nobody knows": b"-\r\n", "an error with a tail": b"-ERR x\ry\nz\r\n",
            "RESP3's map": b"%1\r\n$1\r\na\r\n$1\r\nb\r\n", "RESP3's null": b"_\r\n",
    "RESP3's double": b",1.5\r\n", "RESP3's boolean": b"#t\r\n", "RESP3's set": b"~1\r\n:1\r\n",
            "RESP3's text": b"=7\r\ntxt:abc\r\n",
    "RESP3's big number": b"(12345678901234567890\r\n"}
BROKEN = {"garbage": b"\x00\xff\xfe garbage\r\n", "HTTP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
          "twenty levels": b"*1\r\n" * 20 + b":1\r\n",
          "an impossible length": b"$-2\r\n", "an impossible count": b"*-5\r\n",
          "a count of 2^31": b"*2147483648\r\n", "a count of 2^63": b"*9223372036854775807\r\n",
          "a number that is none": b":abc\r\n", "a number over all bounds": b":99999999999999999999999\r\n",
          "a length that is none": b"$x\r\n",
          "a text without its end": b"$3\r\nabcdef\r\n", "half a reply": b"$100\r\nabc",
          "two replies": b"$-1\r\n+OK\r\n", "an error and a reply": b"-ERR x\r\n*0\r\n",
          "a hundred replies": b"+OK\r\n" * 100}
ENDLESS = {"a text of 512 MB": (b"$536870912\r\n", b"x"), "a line without an end": (b"+", b"x"),
           "an array without an end": (b"*1000000000\r\n", b":1\r\n")}


class LyingRedis:
    """Between a program and Redis: passes on commands and replies one by one, and lies when it is told to."""

    def __init__(self, target):
        self.target, self.lie, self.told, self.sockets = target, None, threading.Event(), []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def answer_with(self, first, asked, endless=b""):
        """The next command whose words, joined, contain `asked` gets these bytes; nobody else does."""
        self.told.clear()
        self.lie = (asked, first, endless)

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self.target)
                self.sockets += [client, server]
                threading.Thread(target=self.serve, args=(client, server), daemon=True).start()

    def serve(self, client, server):
        with contextlib.suppress(OSError, ValueError), client, server:
            commands, replies = client.makefile("rb"), server.makefile("rb")
            while command := self.read(commands):
                server.sendall(command)
                reply = self.read(replies)
                lie = self.lie
                if lie and lie[0] in command:
                    self.lie = None
                    self.tell(client, lie)
                else:
                    client.sendall(reply)

    def tell(self, client, lie):
        _, first, endless = lie
        try:
            client.sendall(first)
            for _ in range(400 if endless else 0):
                client.sendall(endless * (1_000_000 // len(endless)))
        finally:
            self.told.set()

    def read(self, file):
        """The bytes of one command or reply, however deep."""
        line = file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"$" and int(rest) >= 0:
            return line + file.read(int(rest) + 2)
        if kind == b"*" and int(rest) > 0:
            return line + b"".join(self.read(file) for _ in range(int(rest)))
        return line

    def close(self):
        self.listener.close()
        for one in self.sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


class LiedToStack(Stack):
    liar = None

    def start_redis(self):
        super().start_redis()
        self.liar = self.liar or LyingRedis(self.socket)

    def common(self, role):
        words = super().common(role)
        if role == "api" and self.liar and not getattr(self, "honest", False):
            words[words.index("--redis-url") + 1] = f"redis://127.0.0.1:{self.liar.port}"
        return words

    def kill_all(self):
        if self.liar:
            self.liar.close()
        super().kill_all()


class Replies(StackTest):
    @classmethod
    def setUpClass(cls):
        cls.stack = LiedToStack(pipelines=BUILT_IN_ONLY, workers=0, settings=("--redis-timeout", 1000))
        cls.addClassCleanup(cls.end_stack, cls.stack)
        cls.liar, cls.client = cls.stack.liar, cls.stack.client()
        cls.run_id = check_accepted(cls.client.start(DOCUMENT), of_retry=False)["run"]["id"]

    def connected(self):
        return self.stack.api.log_text().count('"redis_connected"')

    def lied_to(self, first, endless=b"", costs_connection=False):
        """What a reader of the run hears while Redis answers with this; and soon all is well again."""
        before = self.connected()
        self.liar.answer_with(first, b":run:" + self.run_id.encode(), endless)
        began = time.monotonic()
        answer = Api(self.stack.port, self.client.key).get(f"/api/runs/{self.run_id}")
        self.assertLess(time.monotonic() - began, 5)
        self.assertTrue(self.liar.told.wait(30), "nobody asked")
        if answer.status in (500, 503):
            check_error(answer, answer.status, "internal_error" if answer.status == 500 else "redis_unavailable")
        self.assertTrue(self.stack.api.alive())
        if costs_connection:
            wait_for("the connection is made anew", lambda: self.connected() > before, 5)
        wait_for("it is answered right", self.right, 5)
        for _ in range(8):  # whichever thread and connection it is
            self.assertTrue(self.right())
        return answer.status

    def right(self):
        answer = Api(self.stack.port, self.client.key).get(f"/api/runs/{self.run_id}")
        if answer.status == 200:
            check_run(answer.json)
            self.assertEqual((answer.json["id"], answer.json["status"]), (self.run_id, "queued"))
        return answer.status == 200

    def test_a_reply_of_another_shape_is_an_error_of_that_call(self):
        for name, reply in SHAPES.items():
            with self.subTest(name):
                nothing_there = any(word in name for word in ("nil", "null", "empty", "half"))
                self.assertIn(self.lied_to(reply), (404, 500, 503) if nothing_there else (500, 503))

    def test_what_is_no_reply_costs_the_connection_and_no_more(self):
        for name, reply in BROKEN.items():
            with self.subTest(name):
                self.assertIn(self.lied_to(reply, costs_connection=True), (404, 500, 503) if "repl" in name else (500, 503))

    def test_a_reply_without_an_end_is_not_kept(self):
        for name, (first, endless) in ENDLESS.items():
            with self.subTest(name):
                before = memory(self.stack.api)
                self.assertIn(self.lied_to(first, endless), (500, 503))
                self.assertLess(memory(self.stack.api) - before, most_growth(self.stack.api, 160 << 20))

    def test_an_acceptance_that_is_answered_with_nonsense_is_not_acknowledged(self):
        for name in ("nil", "a number", "an empty array", "half a pair", "an error", "RESP3's map"):
            with self.subTest(name):
                self.liar.answer_with(SHAPES[name], b"accept")
                answer = self.client.retry(self.run_id)
                self.assertTrue(self.liar.told.wait(5), "nobody asked")
                # Asked once more, with the same id, it may hear the truth.
                self.assertIn(answer.status, (202, 500, 503), answer)
                wait_for("it is accepted again", lambda: self.client.retry(self.run_id).status == 202, 5)

    end_stack = staticmethod(end_with_failed_requests)


if __name__ == "__main__":
    unittest.main()
