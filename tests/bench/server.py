"""A Reprise to be measured: Redis on a unix socket with the shipped settings, the API on one thread, nothing that holds
requests up (rates, the depth of the queue), and its way back to how it was before a measurement."""
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time

from client import Api
from measuring import TOOL, replay
from pipelines import DOCUMENT, pipelines
from process import processor_seconds, wait_for
from resp import pairs
from stack import BIN, P0, ROOT, Stack

FOUR_STEPS = pipelines(*({"name": name, "builtin": "noop"} for name in ("one", "two", "three", "four")))
AOF = {"none": ("no", "no"), "everysec": ("yes", "everysec"), "always": ("yes", "always")}
RETRY = b'{"reason":"bench"}'
SERVE = ("--rate", 0, "--max-per-address", 20000, "--max-connections", 40000)
FILLING = 1000  # ended runs at a time; each has several events
ENDED = ("ready", "complete", "failed", "canceled", "expired")


class Server(Stack):
    """aof: none, everysec or always. A source run has ended, and its worker is gone, when this is made."""

    programs = BIN  # where they are; of those that are made from now on
    under = ()      # the words that they are started by

    def __init__(self, aof="none", threads=1, concurrency=64):
        self.aof, self.programs = aof, Server.programs
        super().__init__(FOUR_STEPS, workers=0, concurrency=concurrency, settings=("--durability", aof, "--queue-limit", 10**9),
                         serve=(*SERVE, "--threads", threads), acl=False)
        try:
            self.api_key = self.key("bench")
            self.source = self.ended_run()
            self.kept = self.keep()
        except BaseException:
            self.show_logs()
            self.kill_all()
            raise

    def launch(self, name, argv, directory=None):
        program = pathlib.Path(argv[0])
        if program.name.startswith("reprise-"):
            argv = [*self.under, self.programs / program.name, *argv[1:]]
        return super().launch(name, argv, directory)

    def start_redis(self):
        self.socket = str(self.dir / "redis/s")
        appendonly, fsync = AOF[self.aof]
        # A rewrite of the append-only file would fall into some measurements and not into others.
        argv = ["redis-server", ROOT / "scripts/deploy/redis.conf", "--port", 0, "--unixsocket", self.socket, "--dir",
                self.dir / "redis", "--appendonly", appendonly, "--appendfsync", fsync, "--auto-aof-rewrite-percentage", 0]
        self.redis_process = self.launch("redis", argv)
        self.redis = self.redis_client()
        wait_for("Redis has loaded", self.has_loaded)

    def ended_run(self, source=None):
        """A run from its start, or from a retry, to its end."""
        worker, client = self.start_worker(), self.api_client()
        answer = client.retry(source) if source else client.start(DOCUMENT)
        client.close()
        assert answer.status == 202, answer
        run = answer.json["run"]["id"]
        self.wait_status(run, seconds=10)
        self.end_worker(worker)
        return run

    def work_off(self, accept, runs, seconds=60):
        """Accepts so many runs, and has all that are queued worked on."""
        if runs:
            replay(self, accept.call_file, accept.run, calls=runs)
        worker = self.start_worker()
        wait_for("all runs have ended", lambda: not any(self.redis.call("ZCARD", P0 + name) for name in ("queued", "leases")),
                 seconds, every=0.05)
        self.end_worker(worker)

    def fill_feed(self, accept):
        """Ended runs enough that the feed of events is as long as it gets, as it is in any Reprise that has been at work: from
        now on, each event drops another. Part of what `reset` goes back to. Answers the runs."""
        self.reset()
        while True:
            self.work_off(accept, FILLING)
            feed = pairs(self.redis.call("XINFO", "STREAM", P0 + "events"))
            if feed["entries-added"] > feed["length"]:
                break
        self.kept = self.keep()
        return self.redis.call("ZREVRANGE", P0 + "ended", 0, FILLING - 1)

    def start_api(self, name, *serve):
        """Another one on the same Redis; `port` is where."""
        api = self.launch(name, [BIN / "reprise-api", "serve", "--listen", "127.0.0.1:0", *SERVE, "--threads", 1, *serve,
                                 *self.common("api")])
        api.port = int(api.wait_log("serving", 60)["port"])
        return api

    def end(self, process):
        process.stop()
        self.processes.remove(process)

    def end_worker(self, worker):
        self.end(worker)
        self.workers.remove(worker)

    def api_client(self):
        return Api(self.port, self.api_key)

    def request_file(self, name, method, path, body=b""):
        """A request as it goes over the wire, for bench_tool."""
        head = (f"{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {self.api_key}\r\n"
                + (f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""))
        file = self.dir / f"{name}.request"
        file.write_bytes(head.encode() + b"\r\n" + body)
        return file

    def retry_file(self):
        return self.request_file("retry", "POST", f"/api/runs/{self.source}/retry", RETRY)

    def answer_to_retry(self):
        """The bytes of a 202, as they come."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as s:
            s.sendall(self.retry_file().read_bytes())
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
        """All keys as they are now."""
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
        restored = [("RESTORE", key, ttl, dump) for key, (ttl, dump) in self.kept.items()]
        self.redis.transaction([("FLUSHALL", "SYNC"), *restored])
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


def find_programs(builds, groups):
    """What is measured and what measures; refused when something is missing."""
    for path in (*(build / name for build in builds for name in ("reprise-api", "reprise-worker")), TOOL):
        if not path.exists():
            sys.exit(f"{path} is not there: scripts/bench builds it")
    for name in ("redis-server", "wrk", *(["valgrind"] if "instructions" in groups else [])):
        if not shutil.which(name):
            sys.exit(f"no {name} on the path; scripts/setup --bench installs it")
