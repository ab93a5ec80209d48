"""A terminal taken over for a while, and given back as it was: lines drawn in place, keys as they are typed."""

import os
import select
import signal
import sys
import termios
import unicodedata

STYLES = {"": "", "title": "\033[7m", "head": "\033[1m", "warning": "\033[1;31m", "dim": "\033[2m"}


def fits():
    """Whether there is a terminal that can do it, on both ends."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def cut(text, width):
    """As much of a clean text as has room; some characters take two places, some none."""
    taken, out = 0, []
    for c in text:
        taken += 0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        if taken > width:
            break
        out.append(c)
    return "".join(out)


class Screen:
    def __enter__(self):
        self._in, self._out = sys.stdin.fileno(), sys.stdout.fileno()
        self._drawn = None
        self._heard, self._bell = os.pipe()
        for end in (self._heard, self._bell):
            os.set_blocking(end, False)
        self._before = termios.tcgetattr(self._in)
        self._handlers = {number: signal.signal(number, handler) for number, handler in (
            (signal.SIGWINCH, lambda *_: self.ring()), (signal.SIGTERM, self._end), (signal.SIGHUP, self._end))}
        try:
            raw = termios.tcgetattr(self._in)
            # Nor does the terminal send signals: one that stopped us would leave it in our hands.
            raw[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG)
            termios.tcsetattr(self._in, termios.TCSADRAIN, raw)
            self._say("\033[?1049h\033[?25l\033[?7l")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            self._say("\033[0m\033[?7h\033[?25h\033[?1049l")
            termios.tcsetattr(self._in, termios.TCSADRAIN, self._before)
        except (OSError, termios.error):
            pass  # it hung up
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _end(self, number, _):
        raise SystemExit(128 + number)

    def ring(self):
        """From any thread: ends the wait for a key."""
        try:
            os.write(self._bell, b"!")
        except BlockingIOError:
            pass  # it rings already

    def size(self):
        size = os.get_terminal_size(self._out)
        return size.columns or 80, size.lines or 24

    def draw(self, lines):
        """Lines of (style, text)."""
        size = width, height = self.size()
        # A terminal that changes its size may move what it shows.
        afresh = "\033[2J" if size != self._drawn else ""
        self._drawn = size
        drawn = [f"{STYLES[style]}{cut(text, width)}{chr(27) + '[0m' if style else ''}\033[K" for style, text in lines[:height]]
        self._say(afresh + "\033[H" + "\r\n".join(drawn) + "\033[J")

    def keys(self, seconds):
        """What was typed, after that long or when somebody rings; None when the terminal is gone."""
        ready, _, _ = select.select([self._in, self._heard], [], [], seconds)
        if self._heard in ready:
            os.read(self._heard, 4096)
        if self._in not in ready:
            return b""
        try:
            return os.read(self._in, 64) or None
        except OSError:
            return None

    @staticmethod
    def _say(text):
        sys.stdout.write(text)
        sys.stdout.flush()
