"""What is said while it goes on: one line that is rewritten on a terminal; elsewhere one now and then."""
import sys
import time


class Progress:
    def __init__(self):
        self.live, self.next, self.began = sys.stderr.isatty(), 0.0, time.monotonic()

    def say(self, text):
        if self.live:
            print(f"\r\x1b[2K{self.since()} {text[:150]}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() >= self.next:
            self.next = time.monotonic() + 5
            print(f"{self.since()} {text}", file=sys.stderr, flush=True)

    def note(self, text):
        print(("\r\x1b[2K" if self.live else "") + text, file=sys.stderr, flush=True)

    def since(self):
        return f"{time.monotonic() - self.began:5.0f} s"
