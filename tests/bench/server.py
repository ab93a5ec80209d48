"""A Reprise to be measured: Redis on a unix socket with the shipped settings, the API on one thread, nothing that holds
requests up (rates, the depth of the queue), and its way back to how it was before a measurement."""
import pathlib
import re
import socket
import subprocess
import time

from client import Api
from measuring import TOOL, replay
from pipelines import DOCUMENT, pipelines
from process import processor_seconds, wait_for
from stack import BIN, P0, ROOT, Stack

FOUR_STEPS = pipelines(*({"name": name, "builtin": "noop"} for name in ("one", "two", "three", "four")))
AOF = {"none": ("no", "no"), "everysec": ("yes", "everysec"), "always": ("yes", "always")}
RETRY = b'{"reason":"bench"}'
FILLING = 2500  # ended runs: more than the feed holds
ENDED = ("ready", "complete", "failed", "canceled", "expired")


class Server(Stack):
    """aof: none, everysec or always. A source run has ended, and its worker is gone, when this is made."""

    def __init__(self, aof="none", threads=1, concurrency=64, serve=(), source=True):
        self.aof = aof
        super().__init__(FOUR_STEPS, workers=0, concurrency=concurrency, settings=("--durability", aof, "--queue-limit", 10**9),
                         serve=("--rate", 0, "--threads", threads, "--max-per-address", 20000, "--max-connections", 40000,
                                *serve))
        try:
            self.api_key = self.key("bench")
            self.source = self.ended_run() if source else None
            self.kept = self.keep()
        except BaseException:
            self.show_logs()
            self.kill_all()
            raise

    def start_redis(self, acl=None):
        self.socket = str(self.dir / "redis/s")
        appendonly, fsync = AOF[self.aof]
        # A rewrite of the append-only file would fall into some measurements and not into others.
        argv = ["redis-server", ROOT / "scripts/deploy/redis.conf", "--port", 0, "--unixsocket", self.socket, "--dir",
                self.dir / "redis", "--appendonly", appendonly, "--appendfsync", fsync, "--auto-aof-rewrite-percentage", 0]
        self.redis_process = self.launch("redis", argv)
        self.redis = self.redis_client()
        wait_for("Redis has loaded", self.has_loaded)

    def ended_run(self):
        worker = self.start_worker()
        answer = self.api_client().start(DOCUMENT)
        assert answer.status == 202, answer
        run = answer.json["run"]["id"]
        self.wait_status(run, seconds=10)
        self.end_worker(worker)
        return run

    def work_off(self, accept, runs, seconds=60):
        """Accepts so many runs and has them worked on."""
        replay(self, accept.call_file, accept.run, calls=runs)
        worker = self.start_worker()
        wait_for("all runs have ended", lambda: not self.redis.call("ZCARD", P0 + "queued") + self.redis.call("ZCARD", P0 + "leases"),
                 seconds, every=0.05)
        self.end_worker(worker)

    def fill_feed(self, accept):
        """Ended runs enough that the feed of events is as long as it gets, as it is in any Reprise that has been at work: from
        now on, each event drops another. Part of what `reset` goes back to. Answers the runs."""
        self.reset()
        self.work_off(accept, FILLING)
        self.kept = self.keep()
        return self.redis.call("ZREVRANGE", P0 + "ended", 0, FILLING - 1)

    def end_worker(self, worker):
        worker.stop()
        self.workers.remove(worker)
        self.processes.remove(worker)

    def api_client(self):
        return Api(self.port, self.api_key)

    def answer_to_retry(self):
        """The bytes of a 202, as they come."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as s:
            s.sendall(b"POST /api/runs/%s/retry HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nAuthorization: "
                      b"Bearer %s\r\nContent-Length: %d\r\n\r\n%s" % (self.source.encode(), self.api_key.encode(), len(RETRY), RETRY))
            got = b""
            while b"\r\n\r\n" not in got or len(got.split(b"\r\n\r\n", 1)[1]) < self.body_size(got):
                piece = s.recv(65536)
                assert piece, f"the API closed the connection after {got!r}"
                got += piece
        assert got.startswith(b"HTTP/1.1 202 "), got
        return got

    @staticmethod
    def body_size(head):
        return int(re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)[1])

    def count(self, name):
        return int(self.redis.call("HGET", P0 + "stats", name) or 0)

    def ended(self):
        return sum(int(n or 0) for n in self.redis.call("HMGET", P0 + "stats", *ENDED))

    def memory(self):
        return int(re.search(r"used_memory:(\d+)", self.redis.call("INFO", "memory"))[1])

    def processor(self):
        """Seconds of CPU that Redis and the API have used."""
        return processor_seconds(self.redis_process.pid), processor_seconds(self.api.pid)

    # --- back to the beginning ---

    def keep(self):
        """All keys as they are now, but for the sweeper's times."""
        kept, cursor = {}, "0"
        while True:
            cursor, keys = self.redis.call("SCAN", cursor, "COUNT", 1000)
            for key in keys:
                dump = self.redis.call("DUMP", key, text=False)
                if dump is not None:
                    kept[key] = (max(0, self.redis.call("PTTL", key)), dump)
            if cursor == "0":
                return kept

    def reset(self):
        """Everything as it was when `keep` was called; no process sees a moment in between."""
        self.redis.transaction([("FLUSHALL", "SYNC")] + [("RESTORE", key, ttl, dump) for key, (ttl, dump) in self.kept.items()])
        if self.aof != "none":
            self.redis.call("BGREWRITEAOF")
            wait_for("the append-only file is rewritten", self.rewritten, 60)

    def rewritten(self):
        said = self.redis.call("INFO", "persistence")
        return "aof_rewrite_in_progress:0" in said and "aof_rewrite_scheduled:0" in said


def settled(seconds=0.1):
    """A moment for what the last measurement has left behind in other processes."""
    time.sleep(seconds)


def file_system(directory):
    """On which the append-only file is: what a sync costs depends on it."""
    done = subprocess.run(["stat", "-f", "-c", "%T", str(directory)], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def programs():
    """Of the build that is measured; refused when there is none."""
    for path in (pathlib.Path(BIN) / "reprise-api", pathlib.Path(BIN) / "reprise-worker", TOOL):
        assert path.exists(), f"{path} is not there: scripts/bench builds it"
