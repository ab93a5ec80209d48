"""`scripts/reprise top`, on a terminal and without one."""
import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

from operating import CLIENT, HOSTILE, ClientTest
from process import wait_for

SEQUENCE = re.compile(r"\x1b\[[?0-9;]*[A-Za-z]")
ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"


class Terminal:
    """A program on a terminal of its own, and what that shows."""

    def __init__(self, words, environment, columns=100, lines=30):
        self.ours, self.theirs = pty.openpty()
        self.text = ""
        self.resize(columns, lines)
        self.before = termios.tcgetattr(self.theirs)
        self.child = subprocess.Popen(words, env=environment, stdin=self.theirs, stdout=self.theirs, stderr=self.theirs,
                                      start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def resize(self, columns, lines):
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, keys):
        os.write(self.ours, keys)

    def read(self, seconds):
        if select.select([self.ours], [], [], seconds)[0]:
            self.text += os.read(self.ours, 65536).decode("utf-8", "replace")

    def picture(self):
        """The lines of the last one that is complete."""
        end = self.text.rfind("\x1b[J")
        begin = self.text.rfind("\x1b[H", 0, max(end, 0))
        return re.split(r"\r*\n", SEQUENCE.sub("", self.text[begin:end])) if begin >= 0 else []

    def wait(self, what, condition, seconds=20):
        deadline = time.monotonic() + seconds
        while not condition(self.picture()):
            left = deadline - time.monotonic()
            if left <= 0 or self.child.poll() is not None:
                raise AssertionError(f"not seen: {what}\n" + "\n".join(self.picture()) + f"\n{self.text[-2000:]!r}")
            self.read(min(left, 0.5))

    def ended(self):
        """The exit status."""
        status = self.child.wait(20)
        while select.select([self.ours], [], [], 0)[0]:
            self.read(0)
        return status

    def close(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        for end in (self.ours, self.theirs):
            with contextlib.suppress(OSError):
                os.close(end)


class TopTest(ClientTest):
    def setUp(self):
        (self.side / "go").unlink(missing_ok=True)
        self.run_id = self.start()
        self.stack.wait_status(self.run_id, "running")

    def tearDown(self):
        (self.side / "go").touch()
        self.stack.wait_status(self.run_id)

    def open(self, *words, columns=100, lines=30, **environment):
        terminal = Terminal([*CLIENT, *words], self.environment(TERM="xterm", **environment), columns, lines)
        self.addCleanup(terminal.close)
        return terminal

    def works(self, picture):
        return any(line.startswith(self.worker.id) and f"{self.run_id} wait" in line for line in picture)


class Top(TopTest):
    def test_draws_lives_and_quits(self):
        top = self.open("top", "--every", "1")
        top.wait("the worker, its run and its step", self.works)
        self.assertTrue(any("accepted/s" in line for line in top.picture()))
        self.assertEqual(top.text.count(ENTER), 1)

        top.resize(60, 16)
        top.wait("a smaller picture", lambda lines: len(lines) <= 16 and all(len(line) <= 60 for line in lines))
        self.assertTrue(any(line.startswith(self.worker.id) for line in top.picture()))
        top.resize(20, 3)
        top.wait("hardly any", lambda lines: 0 < len(lines) <= 3)
        top.resize(110, 40)
        top.wait("a larger one", self.works)

        (self.side / "go").touch()
        top.wait("the end of the run", lambda lines: any(self.run_id in line and "run.complete" in line for line in lines))
        other = self.start()
        queued = re.compile(rf"{other}  run.queued  user:acme")
        top.wait("another run", lambda lines: any(queued.search(line) for line in lines))

        top.type(b"x")
        top.type(b"q")
        self.assertEqual(top.ended(), 0, top.text[-2000:])
        self.assertTrue(top.text.endswith(LEAVE), top.text[-200:])
        self.assertEqual(termios.tcgetattr(top.theirs), top.before)

    def test_gives_the_terminal_back_however_it_ends(self):
        for end, status in ((lambda top: top.type(b"\x03"), 130), (lambda top: top.child.terminate(), 128 + signal.SIGTERM)):
            top = self.open("top")
            top.wait("a picture", self.works)
            end(top)
            self.assertEqual(top.ended(), status)
            self.assertIn(LEAVE, top.text)
            self.assertEqual(termios.tcgetattr(top.theirs), top.before)

    def test_names_of_others_do_not_steer_it(self):
        self.ops.post("/api/queue/pause", {"reason": HOSTILE})
        try:
            top = self.open("top")
            top.wait("the pause", lambda lines: any("paused" in line and "night" in line for line in lines))
            self.assertNotIn("\x1b[31m", top.text)
            self.assertNotRegex(top.text, "[\x80-\x9f\u202e]")
            top.type(b"q")
            self.assertEqual(top.ended(), 0)
            raw = self.open("queue", "--json")
            self.assertEqual(raw.ended(), 0)
            self.assertNotRegex(raw.text, "[\x00-\x09\x0b\x0c\x0e-\x1f\x80-\x9f\u202e]")
            self.assertEqual(json.loads(raw.text)["paused"][0]["reason"], HOSTILE)
        finally:
            self.ops.post("/api/queue/resume")

    def test_without_a_terminal_it_prints_once(self):
        for words in (("top",), ("top", "--once")):
            wait_for("the worker has said what it holds", lambda words=words: self.works(self.said(*words).splitlines()))
        text = self.said("top", "--once")
        self.assertIn("run.running", text)
        self.assertNotIn("\x1b", text)
        known = self.told("top")
        self.assertEqual([w["id"] for w in known["workers"]], [self.worker.id])
        self.assertEqual(known["overview"]["scope"], "all")
        once = self.open("top", "--once")
        self.assertEqual(once.ended(), 0)
        self.assertNotIn("\x1b", once.text)

    def test_says_what_is_wrong_before_it_takes_the_terminal(self):
        top = self.open("top", REPRISE_OPS_KEY="")
        self.assertEqual(top.ended(), 1)
        self.assertIn("insufficient_scope", top.text)
        self.assertNotIn(ENTER, top.text)
        top = self.open("top", REPRISE_URL="http://127.0.0.1:1")
        self.assertEqual(top.ended(), 3)


class Lost(TopTest):
    def test_an_api_that_goes_away_leaves_the_picture_and_q(self):
        top = self.open("top", "--every", "1")
        top.wait("a picture", self.works)
        self.stack.kill_worker(self.stack.api)
        top.wait("that it is old, and still there",
                 lambda lines: self.works(lines) and any("what follows is old: cannot reach" in line for line in lines))
        top.type(b"q")
        self.assertEqual(top.ended(), 0)


if __name__ == "__main__":
    unittest.main()
