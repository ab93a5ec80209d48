"""The base of the tests of bad input: whatever was sent, the API lives, does its work, and holds on to nothing."""
import contextlib
import os
import pathlib

from contract import check_accepted, check_error
from pipelines import BUILT_IN_ONLY, DOCUMENT
from raw_http import Connection, request
from resp import Redis
from stack import P0, StackTest, wait_for

MOST_GROWTH = 48 << 20  # bytes that one test may leave behind in an allocator's arenas
SANITIZED = 16          # times as much under AddressSanitizer, which keeps what was freed
JSON = "Content-Type: application/json"


def open_files(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def memory(process):
    """Bytes in memory now. The peak says nothing: a body under way is memory, too."""
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) << 10


def most_growth(process, growth=MOST_GROWTH):
    sanitized = "libasan" in pathlib.Path(f"/proc/{process.pid}/maps").read_text()
    return growth * (SANITIZED if sanitized else 1)


def end_with_failed_requests(stack):
    """The end of a stack whose API was given nonsense by others, and has logged that as what it is: an error."""
    wrong = [line for line in stack.close() if '"request_failed"' not in line]
    if wrong:
        raise AssertionError("\n".join(wrong))


class BadInputTest(StackTest):
    """No worker by default: what is accepted stays queued, and costs nothing."""
    options = {"pipelines": BUILT_IN_ONLY, "workers": 0}
    growth = MOST_GROWTH

    @classmethod
    def prepare(cls):
        cls.client = cls.stack.client()
        cls.key, cls.port = cls.client.key, cls.stack.port
        cls.run_id = check_accepted(cls.client.start(DOCUMENT), of_retry=False)["run"]["id"]
        cls.path = f"/api/runs/{cls.run_id}/retry"
        for _ in range(20):  # threads, arenas and connections to Redis are there before anything is measured
            check_accepted(cls.client.retry(cls.run_id), of_retry=True)

    def setUp(self):
        self.files, self.memory = open_files(self.stack.api), memory(self.stack.api)

    def tearDown(self):
        api = self.stack.api
        self.assertTrue(api.alive(), "the API has ended")
        self.client.close()  # it may have been idle for too long
        self.assertEqual(self.client.get("/livez").status, 200)
        check_accepted(self.client.retry(self.run_id), of_retry=True)
        wait_for("connections are given up", lambda: open_files(api) <= self.files + 2, 12)
        self.assertLess(memory(api) - self.memory, most_growth(api, self.growth), "memory grew")

    # --- what is sent ---

    def retry(self, *fields, **more):
        """The bytes of a retry with these header fields besides the usual."""
        return request("POST", self.path, *fields, key=self.key, **more)

    def get(self, target, *fields):
        return request("GET", target, *fields, key=self.key)

    def ask(self, data, timeout=10, of_head=False):
        """The one answer to these bytes, on a connection of their own."""
        with Connection(self.port, timeout) as connection:
            connection.send(data)
            return connection.answer(of_head)

    # --- what must come ---

    @contextlib.contextmanager
    def nothing_accepted(self):
        before = self.stack.stats()["accepted"]
        yield
        self.assertEqual(self.stack.stats()["accepted"], before, "a run was accepted")

    def refused(self, data, status, code):
        with self.nothing_accepted():
            answer = self.ask(data)
        self.assertIsNotNone(answer, "the connection was closed without an answer")
        check_error(answer, status, code)
        return answer

    def refused_and_closed(self, data, *statuses):
        """One answer, whatever else was sent with it, and soon the end of the connection."""
        with self.nothing_accepted(), Connection(self.port) as connection:
            connection.send(data)
            answer = connection.answer()
            self.assertIsNotNone(answer, "closed without an answer")
            self.assertIn(answer.status, statuses, answer)
            check_error(answer, answer.status, answer.json["error"])
            self.assertIn(answer.headers["Connection"], ("close",) if answer.version == "HTTP/1.1"
                          else ("close", None))
            self.assertTrue(connection.ended(), "not closed, or more was answered")
        return answer

    def accepted(self, data):
        return check_accepted(self.ask(data), of_retry=True)

    # --- what Redis sees ---

    def run_of(self, body):
        return self.stack.run_hash(body["run"]["id"])

    def known_runs(self):
        return self.stack.redis.call("ZRANGE", P0 + "runs:acme", 0, -1)

    def commands_during(self, work):
        """Every command that Redis was given meanwhile, as text."""
        monitor = Redis(self.stack.socket)
        self.addCleanup(monitor.close)
        monitor.call("MONITOR")
        work()
        self.stack.redis.call("ECHO", "that was all")
        seen = []
        while '"that was all"' not in (line := monitor.read()):
            seen.append(line)
        return seen
