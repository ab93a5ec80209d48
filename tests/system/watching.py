"""Watching runs as a client does, by Server-Sent Events over a plain socket; runs that go no further than a test
wants; and what the watching costs."""
import collections
import json
import os
import pathlib
import re
import socket
import time

from contract import time_of
from pipelines import DOCUMENT, NOOP, VERIFY, command, pipelines
from stack import BIN, P0, StackTest, wait_for

Event = collections.namedtuple("Event", "id type data")


def gate(name):
    """A step that goes on once the test has opened its gate for this run: opening a pipe to read waits for a writer,
    and costs nothing meanwhile. The run's id is in the name of the step's directory. Gates fills in SIDE."""
    script = f'r=${{HOME##*/reprise-}}; p="SIDE/${{r%%-*}}.{name}"; mkfifo "$p" 2>/dev/null; : <"$p"'
    return command(name, "/bin/sh", "-c", script)


GATED = pipelines(VERIFY, gate("one"), NOOP, gate("two"), NOOP | {"name": "last"})
AT_ONE = 5    # events until a run waits at gate `one`
AT_TWO = 8
EVENTS = 11   # of a run that went through all of it


class Gates:
    """The gates of a stack whose pipeline is GATED. To be made before the first worker starts."""

    def __init__(self, stack):
        self.stack, self.side, self.opened = stack, stack.dir / "side", []
        stack.pipelines.write_text(stack.pipelines.read_text().replace("SIDE", str(self.side)))

    def open(self, run, *names):
        for name in names or ("one", "two"):
            pipe = self.side / f"{run}.{name}"
            try:
                os.mkfifo(pipe)
            except FileExistsError:
                pass
            self.opened.append(os.open(pipe, os.O_RDWR))  # as writer, without waiting for a reader

    def open_all(self, runs, *names):
        for run in runs:
            self.open(run, *names)

    def close(self):
        """When all runs have been let through."""
        try:
            wait_for("no run is at work",
                     lambda: not any(self.stack.stats().get(status) for status in ("queued", "running")))
        finally:
            while self.opened:
                os.close(self.opened.pop())


def another_api(test, name, *settings):
    """A second API on the test's Redis, until the end of the test or of its class; `port` is where."""
    stack, end_of = test.stack, getattr(test, "addClassCleanup" if isinstance(test, type) else "addCleanup")
    serve = [BIN / "reprise-api", "serve", "--listen", "127.0.0.1:0"]
    api = stack.launch(name, [*serve, *stack.common("api"), *settings])
    end_of(api.stop)
    api.port = int(api.wait_log("serving")["port"])
    return api


class GatedTest(StackTest):
    """Runs that wait at two gates, so that a test has a hand in how far they are."""
    options = {"pipelines": GATED, "workers": 0, "concurrency": 24}

    @classmethod
    def prepare(cls):
        cls.gates = Gates(cls.stack)
        cls.addClassCleanup(cls.gates.close)
        cls.stack.start_worker()
        cls.client = cls.stack.client()

    def setUp(self):
        self.client.close()  # its connection has been idle for as long as the test before took

    def start(self, text=DOCUMENT, **fields):
        """A run that waits at the first gate; open at the end of the test."""
        answer = self.client.start(text, **fields)
        self.assertEqual(answer.status, 202, answer)
        run = answer.json["run"]["id"]
        self.addCleanup(self.gates.open, run)
        return run

    def watch(self, run, **more):
        watcher = Watcher(more.pop("port", self.stack.port), self.client.key, run, **more)
        self.addCleanup(watcher.close)
        return watcher

    def whole(self, run, **more):
        """All that a watcher is told of a run that has ended."""
        return self.watch(run, **more).until_ended().blocks

    def started(self):
        """A run that waits at its first gate."""
        run = self.start()
        self.watch(run).until_seen(AT_ONE).close()
        return run

    def ended(self):
        run = self.start()
        self.gates.open(run)
        self.stack.wait_status(run, "complete")
        return run

    def forget_feed(self):
        self.stack.redis.call("XTRIM", P0 + "events", "MAXLEN", 0)


class Stream:
    """The answer to a watcher as far as it has come: bytes in, events out."""

    def __init__(self):
        self.head, self.status, self.headers = b"", None, {}
        self.rest, self.text = b"", ""     # not decoded yet; decoded, and not an event yet
        self.blocks, self.heartbeats = [], 0
        self.ended = False                 # the end of chunks has come

    def take(self, piece):
        if self.status is None:
            self.head += piece
            head, end, piece = self.head.partition(b"\r\n\r\n")
            if not end:
                return
            first, *lines = head.decode("latin-1").split("\r\n")
            self.status = int(first.split()[1])
            self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.rest += piece
        if self.headers.get("transfer-encoding") == "chunked":
            self.take_chunks()
        else:
            self.take_text(self.rest)
            self.rest = b""

    def take_chunks(self):
        while not self.ended:
            line, end, after = self.rest.partition(b"\r\n")
            size = int(line, 16) if end else 0
            if not end or len(after) < size + 2:
                return
            if after[size:size + 2] != b"\r\n":
                raise AssertionError(f"a chunk that does not end as it says: {self.rest[:200]!r}")
            self.take_text(after[:size])
            self.rest, self.ended = after[size + 2:], size == 0

    def take_text(self, text):
        *whole, self.text = (self.text + text.decode()).split("\n\n")
        for block in whole:
            if block.startswith(":"):
                self.heartbeats += 1
            elif not block.startswith("retry:"):
                self.blocks.append(block)

    @property
    def last(self):
        return int(self.blocks[-1].split("\n")[0].removeprefix("id: ")) if self.blocks else 0


def request(key, run, last=None, version="1.1", more=()):
    lines = [f"GET /api/runs/{run}/events HTTP/{version}", "Host: reprise", f"Authorization: Bearer {key}", *more]
    lines += [f"Last-Event-ID: {last}"] if last is not None else []
    return "\r\n".join([*lines, "", ""]).encode()


def read_event(block):
    """An event has these three lines and nothing else."""
    match = re.fullmatch(r"id: (\d+)\nevent: ((?:run|step)\.[a-z_]+)\ndata: (\{.*\})", block)
    assert match, f"not an event: {block!r}"
    return Event(int(match[1]), match[2], json.loads(match[3]))


def check_events(blocks, run, first=1):
    """Ids without a gap or a double, and each event says who, what and when. Answers the events."""
    events = [read_event(block) for block in blocks]
    assert [e.id for e in events] == list(range(first, first + len(events))), [e.id for e in events]
    for number, kind, data in events:
        of, what = kind.split(".")
        facts = {"status": what} if of == "run" else {"step": data.get("step"), "stepStatus": what}
        assert data == {"runId": run, "seq": number, "type": kind, "at": data["at"], **facts}, data
        assert of == "run" or data["step"], data
    times = [time_of(e.data["at"]) for e in events]
    assert times == sorted(times), times
    return events


class Watcher(Stream):
    """One that waits for what it is to see."""

    def __init__(self, port, key, run, **more):
        super().__init__()
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.sendall(request(key, run, **more))
        self.closed = False

    def until(self, what, condition, seconds=10):
        deadline = time.monotonic() + seconds
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0 or self.closed:
                raise AssertionError(f"{what}: not within {seconds} s, closed: {self.closed}, {self.status}, "
                                     f"{self.blocks}")
            self.socket.settimeout(left)
            try:
                piece = self.socket.recv(65536)
            except TimeoutError:
                continue
            self.closed = piece == b""
            self.take(piece)
        return self

    def until_answered(self):
        return self.until("an answer", lambda: self.status is not None)

    def until_seen(self, seq, seconds=10):
        return self.until(f"event {seq}", lambda: self.last >= seq, seconds)

    def until_ended(self, seconds=10):
        return self.until("the end of the events", lambda: self.ended, seconds)

    def close(self):
        self.socket.close()


# --- what it costs ---

class Monitor:
    """What Redis is asked for meanwhile: `commands`, each a list of words; and what functions ask for: `inner`, each with the
    command that called its function."""

    def __init__(self, stack):
        self.stack, self.connection, self.commands, self.inner = stack, stack.redis_client(), [], []

    def __enter__(self):
        self.connection.call("MONITOR")
        return self

    def __exit__(self, *failed):
        self.stack.redis.call("ECHO", "monitored")
        while self.commands[-1:] != [["ECHO", "monitored"]]:
            line = self.connection.read()
            words = re.findall(r'"((?:[^"\\]|\\.)*)"', line)
            if " lua] " in line.partition('"')[0]:
                self.inner.append((self.commands[-1], words))
            else:
                self.commands.append(words)
        self.commands.pop()
        self.connection.close()

    def naming(self, word):
        return [words for words in self.commands if any(word in part for part in words)]


def resident(process):
    """Bytes of memory."""
    return int(re.search(r"VmRSS:\s+(\d+) kB", pathlib.Path(f"/proc/{process.pid}/status").read_text())[1]) * 1024


def descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def settled_descriptors(process):
    """Once those of connections that ended a moment ago are closed."""
    seen = [descriptors(process)]

    def steady():
        seen.append(descriptors(process))
        return len(set(seen[-6:])) == 1 and len(seen) > 6
    wait_for("the open files are as many as a moment ago", steady, every=0.05)
    return seen[-1]


def calls(stack, command):
    """How often Redis has done this command."""
    found = re.search(rf"cmdstat_{command}:calls=(\d+)", stack.redis.call("INFO", "commandstats"))
    return int(found[1]) if found else 0
