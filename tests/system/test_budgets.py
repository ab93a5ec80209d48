"""What callers may take of memory and of the queue: bounded for each, so that nobody keeps another from anything."""
import socket
import unittest

from client import Api
from contract import check_accepted, check_error
from pipelines import DOCUMENT
from stack import StackTest
from watching import another_api


class Bodies(StackTest):
    options = {"workers": 0}

    def promise(self, key, size):
        """A connection that says that it will send so much, and does not; and what it hears at once."""
        one = socket.create_connection(("127.0.0.1", self.stack.port), 5)
        self.addCleanup(one.close)
        one.sendall((f"POST /api/reports/start HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nExpect: 100-continue\r\n"
                     f"Content-Type: application/json\r\nContent-Length: {size}\r\n\r\n").encode())
        return one.recv(65536).decode().split()[1]

    def test_what_one_key_has_under_way_is_bounded_and_keeps_nobody_else_from_anything(self):
        greedy, other = self.stack.key("greedy"), self.stack.client("other")
        heard = [self.promise(greedy, 40 << 20) for _ in range(5)]
        self.assertEqual(heard, ["100"] * 3 + ["503"] * 2)  # a quarter of 512 MiB
        self.assertEqual(self.promise(other.key, 40 << 20), "100")
        started = check_accepted(other.start(DOCUMENT), of_retry=False)["run"]["id"]
        self.assertEqual(other.retry(started).status, 202)
        self.assertEqual(Api(self.stack.port, greedy).start(DOCUMENT).status, 202, "what is small needs no room")


class SmallDocuments(StackTest):
    options = {"workers": 0}

    def test_an_operator_may_allow_smaller_documents_only(self):
        small = Api(another_api(self, "api-small", "--document-limit", 100).port, self.stack.key())
        check_error(small.start("x" * 101), 413, "body_too_large")
        check_accepted(small.start("x" * 100), of_retry=False)


class FullQueue(StackTest):
    options = {"workers": 0}

    def test_who_is_refused_by_a_full_queue_that_nobody_empties_is_told_to_come_back_much_later(self):
        full, client = another_api(self, "api-full", "--queue-limit", 1), self.stack.client()
        check_accepted(client.start(DOCUMENT), of_retry=False)
        answers = [Api(full.port, client.key).start(DOCUMENT) for _ in range(8)]
        for answer in answers:
            check_error(answer, 503, "queue_full")
            self.assertTrue(225 <= int(answer.headers["Retry-After"]) <= 300, answer.headers["Retry-After"])
        self.assertGreater(len({answer.headers["Retry-After"] for answer in answers}), 1, "they all come back at once")


if __name__ == "__main__":
    unittest.main()
