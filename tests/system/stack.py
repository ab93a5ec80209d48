"""A private Reprise: Redis on a unix socket, the API on a free port, workers; all of it below one temporary directory,
and all of it gone afterwards. `StackTest` is the base of every system test."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from client import Api
from process import Process, wait_for
from resp import Redis, RedisError, pairs

ROOT = pathlib.Path(os.environ.get("REPRISE_ROOT") or pathlib.Path(__file__).resolve().parents[2])
BIN = pathlib.Path(os.environ.get("REPRISE_BIN") or ROOT / "build/dev/bin")
TOOLCHAIN = ROOT / "worker/toolchain"
DOCUMENTS = pathlib.Path(__file__).resolve().parent / "documents"
ENDED = ("ready", "complete", "failed", "canceled", "expired")
P0 = "reprise:{p0}:"

USERS = {role: "reprise-" + role for role in ("api", "worker", "admin", "monitor")}

# What the logs must never say: reports of sanitizers, and our own words for a defect.
DEFECTS = ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:", '"request_failed"', '"run_defect"',
           '"run_abandoned"', '"loop_failed"', '"accept_ended"', '"sweep_ended"')


def with_fixed(fields):
    """What is in the field `fixed`, as fields like others, and no longer there; and what is written once and means two things."""
    for line in fields.pop("fixed", "").split("\n"):
        name, _, value = line.partition(" ")
        if name:
            fields.setdefault(name, json.loads(value) if value.startswith('"') else value)
    if fields.get("root"):
        fields.setdefault("source", fields["root"])
    return fields


def kept(fields):
    """The digests of a run's inputs."""
    return [one["sha256"] for one in json.loads(fields["inputs"]).values() if "sha256" in one]


class Stack:
    """Every program has the user of Redis that it is to have, and at the end Redis must have denied none of them anything;
    `acl=False`: all are Redis' default user. The tests themselves may do everything."""
    denies = False  # set by tests that take rights away

    def __init__(self, pipelines=None, workers=1, concurrency=2, settings=(), serve=(), acl=True):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="rp-", dir=None if len(tempfile.gettempdir()) < 40 else "/tmp"))
        self.acl, self.processes, self.workers, self.killed, self.started = acl, [], [], set(), 0
        self.concurrency, self.settings = concurrency, [str(s) for s in settings]
        self.pipelines = None
        for part in ("redis", "blobs", "scratch", "logs", "side", "users"):
            (self.dir / part).mkdir()
        try:
            if pipelines:
                self.pipelines = self.dir / "pipelines.json"
                self.pipelines.write_text(json.dumps(pipelines))
            if acl:
                self.make_users()
            self.start_redis()
            self.api = self.launch("api", [BIN / "reprise-api", "serve", "--listen", "127.0.0.1:0", *map(str, serve),
                                       *self.common("api")])
            self.port = int(self.api.wait_log("serving")["port"])
            for _ in range(workers):
                self.start_worker()
        except BaseException:
            self.show_logs()
            self.kill_all()
            raise

    def launch(self, name, argv, directory=None):
        process = Process(name, argv, directory or self.dir, self.dir / "logs" / f"{name}.log")
        self.processes.append(process)
        return process

    def make_users(self):
        users = subprocess.run([BIN / "reprise-api", "acl", "--make", "--passwords", self.dir / "users"], capture_output=True,
                               text=True, timeout=30, check=True).stdout
        (self.dir / "users.acl").write_text(users.replace("user default off", "user default on nopass ~* &* +@all"))

    def start_redis(self):
        self.socket = str(self.dir / "redis/s")
        argv = ["redis-server", "--port", 0, "--unixsocket", self.socket, "--dir", self.dir / "redis", "--appendonly", "yes",
                "--appendfsync", "always", "--maxmemory-policy", "noeviction", "--save", ""]
        if hasattr(self, "redis"):
            self.redis.close()
        self.redis_process = self.launch("redis", argv + (["--aclfile", self.dir / "users.acl"] if self.acl else []))
        self.redis = self.redis_client()
        wait_for("Redis has loaded", self.has_loaded)

    def has_loaded(self):
        try:
            return self.redis.call("PING") == "PONG"
        except RedisError:
            return False

    def listens(self):
        """The socket's file is there before Redis listens on it."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.socket) == 0

    def redis_client(self):
        wait_for("Redis listens", self.listens)
        return Redis(self.socket)

    def common(self, role):
        out = ["--redis-url", "unix://" + self.socket, "--blobs", f"file://{self.dir}/blobs", *self.settings]
        if self.acl:
            out += ["--redis-user", USERS[role], "--redis-password-file", str(self.dir / "users" / USERS[role])]
        return out

    def start_worker(self, *more):
        return self.start_workers(1, *more)[0]

    def start_workers(self, number, *more):
        """All at once; answers them when all are at work."""
        argv = [BIN / "reprise-worker", "--toolchain", TOOLCHAIN, "--work-dir", self.dir / "scratch", "--concurrency",
                self.concurrency, *self.common("worker"), *(["--pipelines", self.pipelines] if self.pipelines else [])]
        started = []
        for _ in range(number):
            self.started += 1
            started.append(self.launch(f"worker-{self.started}", [*argv, *more]))
        self.workers += started
        for worker in started:
            worker.id = worker.wait_log("working", 20 + number)["worker"]
        return started

    def kill_worker(self, worker):
        worker.kill()
        self.killed.add(worker)

    def admin(self, *words):
        done = subprocess.run([BIN / "reprise-api", *words, *self.common("admin")], cwd=self.dir, capture_output=True, text=True, timeout=30,
                              check=False)
        if done.returncode != 0:
            raise AssertionError(f"reprise-api {' '.join(words)} ended with {done.returncode}: {done.stderr}")
        return done.stdout.strip()

    def key(self, org="acme", scopes="runs:read,runs:write", **more):
        options = [word for name, value in more.items() for word in (f"--{name}", value)]
        return self.admin("keys", "create", "--org", org, "--scopes", scopes, *options)

    def client(self, *args, **more):
        return Api(self.port, self.key(*args, **more))

    # --- what Redis says ---

    def run_hash(self, run):
        return with_fixed(self.redis.hash(f"{P0}run:{run}"))

    def wait_status(self, run, *statuses, seconds=30):
        """Blocks on the feed until the run has one of these statuses (by default: any end); answers its hash."""
        statuses = statuses or ENDED
        deadline = time.monotonic() + seconds
        while True:
            last = self.redis.call("XREVRANGE", P0 + "events", "+", "-", "COUNT", 1)
            now = self.run_hash(run)
            if now.get("status") in statuses:
                return now
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(f"run {run} is not {' or '.join(statuses)} within {seconds} s but {now}")
            self.redis.call("XREAD", "BLOCK", int(min(left, 1) * 1000) + 1, "STREAMS", P0 + "events", last[0][0] if last else 0)

    def stats(self):
        return {k: int(v) for k, v in self.redis.hash(P0 + "stats").items() if v.lstrip("-").isdigit()}

    # --- the end ---

    def denied(self):
        """What Redis has denied the programs since it was started; a denial before that is in their logs."""
        try:
            denials = [pairs(entry) for entry in self.redis.call("ACL", "LOG")]
        except (OSError, RedisError):  # it ended before us
            denials = []
        found = [f"Redis denied {d['username']} {d['object']} ({d['reason']}, {d['context']}): see redis_users.cpp" for d in denials]
        for process in self.processes:
            found += [f"{process.name}: {line}" for line in process.log_text().splitlines() if "NOPERM" in line]
        return found

    def mine(self):
        """Processes that live in our directory, by their working directory, words or environment: pid -> words."""
        found, needle = {}, str(self.dir).encode()
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == os.getpid():
                continue
            try:
                words = pathlib.Path("/proc", entry, "cmdline").read_bytes()
                state = pathlib.Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()[0]
                places = [words, os.fsencode(os.readlink(f"/proc/{entry}/cwd"))]
                places.append(pathlib.Path("/proc", entry, "environ").read_bytes())
            except OSError:
                continue
            if state not in "ZX" and any(needle in place for place in places):
                found[int(entry)] = words.replace(b"\0", b" ").decode("utf-8", "replace")
        return found

    def step_processes(self):
        """Wardens and what they started."""
        ours = {p.pid for p in self.processes}
        return {pid: words for pid, words in self.mine().items() if pid not in ours}

    def show_logs(self):
        for process in self.processes:
            if not process.log.exists():
                continue
            text = process.log_text()
            print(f"--- log of {process.name}, its last lines ---\n" + "\n".join(text.splitlines()[-40:]), file=sys.stderr)

    def kill_all(self):
        for process in self.processes:
            process.kill()
        for pid in self.mine():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        shutil.rmtree(self.dir, ignore_errors=True)

    def close(self):
        """Ends everything; answers what was wrong."""
        wrong = []
        try:
            for process in [*self.workers, self.api]:
                try:
                    status = process.stop()
                except AssertionError as error:
                    wrong.append(str(error))
                    continue
                if process not in self.killed and status != 0:
                    wrong.append(f"{process.name} ended with {status}")
            wrong += [f"left behind: {pid} {words}" for pid, words in self.step_processes().items()]
            wrong += [f"left in the work directory: {name}" for name in os.listdir(self.dir / "scratch") if not self.killed]
            for process in self.processes:
                wrong += [f"{process.name}: {line}" for line in process.log_text().splitlines()
                          if any(word in line for word in DEFECTS)]
            if not self.denies:
                wrong += self.denied()
            self.redis.close()
            self.redis_process.stop()
            if wrong:
                self.show_logs()
        finally:
            self.kill_all()
        return wrong


class StackTest(unittest.TestCase):
    """One stack for all tests of a class; `options` are Stack's."""
    options = {}
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(**cls.options)
        cls.addClassCleanup(cls.end_stack, cls.stack)  # tearDownClass is not called when prepare() fails
        try:
            cls.prepare()
        except BaseException:
            cls.stack.show_logs()
            raise

    @classmethod
    def prepare(cls):
        pass

    @staticmethod
    def end_stack(stack):
        wrong = stack.close()
        if wrong:
            raise AssertionError("\n".join(wrong))

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before and hasattr(self, "stack"):
            self.stack.show_logs()
        return result


class FreshStackTest(StackTest):
    """A stack of its own for each test."""

    @classmethod
    def setUpClass(cls):
        pass

    def setUp(self):
        self.stack = Stack(**self.options)
        self.addCleanup(self.end_stack, self.stack)
