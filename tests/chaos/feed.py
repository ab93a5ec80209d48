"""Follows the events stream while everything happens, over a connection of its own that no fault touches but those of
Redis itself."""
import json
import threading
import time

from resp import Redis, RedisError, pairs
from stack import P0

STREAM = P0 + "events"


class Event:
    __slots__ = ("at", "run", "seq", "type", "by", "cause", "epoch")

    def __init__(self, ident, fields):
        self.at = int(ident.split("-")[0]) / 1000  # by Redis' clock
        self.run, self.seq, self.type = fields["run"], int(fields["seq"]), fields["type"]
        self.by, self.cause = fields["by"], fields["cause"]
        self.epoch = int(fields["epoch"]) if "epoch" in fields else None

    @property
    def status(self):
        """The run's new status, or None for a step's event."""
        return self.type[4:] if self.type.startswith("run.") else None

    def __repr__(self):
        return f"#{self.seq} {self.type} epoch {self.epoch} by {self.by} ({self.cause})"


class Feed:
    def __init__(self, socket, log):
        self.socket, self.log = socket, open(log, "w", encoding="utf-8", buffering=1 << 16)
        self.events, self.last, self.over = [], "0-0", threading.Event()
        self.thread = threading.Thread(target=self.follow, name="feed", daemon=True)
        self.thread.start()

    def follow(self):
        redis = None
        while not self.over.is_set():
            try:
                redis = redis or Redis(self.socket, timeout=30)
                answer = redis.call("XREAD", "COUNT", 1000, "BLOCK", 500, "STREAMS", STREAM, self.last)
                for ident, flat in answer[0][1] if answer else []:
                    self.take(ident, pairs(flat))
            except (OSError, RedisError, ValueError):  # away, loading, or cut off in the middle of a reply
                redis = None
                time.sleep(0.1)

    def take(self, ident, fields):
        self.events.append(Event(ident, fields))
        self.last = ident
        self.log.write(json.dumps({"id": ident, **fields}) + "\n")

    def catch_up(self, redis, seconds=20):
        """Until everything in the stream was read. Answers how many were ever added to it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            info = pairs(redis.call("XINFO", "STREAM", STREAM))
            if info["last-generated-id"] == self.last:
                break
            time.sleep(0.1)
        return info["entries-added"]

    def close(self):
        self.over.set()
        self.thread.join(35)
        self.log.close()

    def by_run(self):
        runs = {}
        for event in self.events:
            runs.setdefault(event.run, []).append(event)
        return runs
