"""The processes under test: Redis, two APIs and four workers, each of the six with a FaultProxy of its own between
itself and Redis. A supervisor restarts what ends by itself, as an init system would.

Times are wall-clock seconds: the ids of Redis' streams are, too, and all of this is one machine.
"""
import concurrent.futures
import contextlib
import json
import pathlib
import random
import shutil
import socket
import tempfile
import threading
import time

from disks import SmallDisk
from fault_proxy import FaultProxy
from process import Process, wait_for
from resp import Redis, RedisError
from stack import DEFECTS, Stack
from workload import PIPELINES, STEP_SCRIPT

APIS, WORKERS, SLOTS = 2, 4, 8
LEASE, DRAIN = 15.0, 3
READY = {"api": "serving", "worker": "working"}


def free_port():
    """A port that stays ours over restarts: below those that the kernel hands out to whoever asks for any."""
    lowest = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.SystemRandom().randrange(min(20000, lowest - 1000), lowest)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class RedisServer:
    def __init__(self, cluster):
        self.cluster, self.directory, self.port = cluster, cluster.dir / "redis", free_port()
        self.socket = str(self.directory / "s")
        self.outages, self.starts, self.wanted, self.process = [], 0, True, None
        self.guard = threading.RLock()

    def start(self):
        with self.guard:
            self.starts += 1
            argv = ["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--unixsocket", self.socket, "--dir",
                    self.directory, "--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy",
                    "noeviction", "--save", "", "--auto-aof-rewrite-min-size", "16mb"]
            self.process = self.cluster.launch("redis", argv, self.cluster.dir / "logs/redis.log")
            self.wanted = True

    def answers(self):
        """It has loaded, and writes."""
        try:
            with contextlib.closing(Redis(self.socket, timeout=2)) as redis:
                return redis.call("SET", "chaos:probe", 1) == "OK"
        except (OSError, RedisError):
            return False

    def wait(self, seconds=60):
        wait_for("Redis answers", self.answers, seconds, 0.05)

    @contextlib.contextmanager
    def outage(self):
        """What happens within is a time without Redis, up to when it answers again."""
        entry = [time.time(), float("inf")]
        self.outages.append(entry)
        try:
            yield
            self.wait()
        finally:
            entry[1] = time.time()

    def keep_up(self):
        with self.guard:
            if self.wanted and not self.process.alive():
                self.start()


class Instance:
    """One start of a process; its name is the worker's id, too."""

    def __init__(self, name, process):
        self.name, self.process, self.pid = name, process, process.pid
        self.absences = []  # [from, until, why]: times in which it could not work
        self.samples = []   # (time, resident KiB, descriptors)
        self.killed_at = None


class Slot:
    """The place of an API or a worker: one instance after the other."""

    def __init__(self, cluster, kind, number):
        self.cluster, self.kind, self.name = cluster, kind, f"{kind}-{number}"
        self.proxy = FaultProxy(("127.0.0.1", cluster.redis.port))
        self.port = free_port() if kind == "api" else None
        self.instances, self.wanted = [], True
        self.guard, self.in_hand = threading.RLock(), threading.Lock()

    @property
    def now(self):
        return self.instances[-1]

    def start(self):
        with self.guard:
            name = f"{self.name}.{len(self.instances) + 1}"
            argv = self.cluster.argv(self, name)
            process = self.cluster.launch(name, argv, self.cluster.dir / f"logs/{name}.log")
            self.instances.append(Instance(name, process))
            self.wanted = True

    def wait_ready(self, seconds=30):
        """Whether it says that it works; it may be restarted meanwhile."""
        deadline = time.monotonic() + seconds
        while f'"{READY[self.kind]}"' not in self.now.process.log_text():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def kill(self):
        with self.guard:
            self.wanted = False
            self.now.process.kill()
            self.now.killed_at = time.time()

    @contextlib.contextmanager
    def away(self, why):
        """What happens within is a time in which this instance, and until it is ready its successor, cannot work."""
        entry = [time.time(), float("inf"), why]
        instance = self.now
        instance.absences.append(entry)
        try:
            yield
            self.wait_ready()
        finally:
            entry[1] = time.time()
            if self.now is not instance:
                self.now.absences.append(entry)

    def keep_up(self):
        with self.guard:
            if self.wanted and not self.now.process.alive():
                self.cluster.note_exit(self.now)
                self.start()


class Cluster:
    mine = Stack.mine  # every process that lives in our directory

    def __init__(self, binaries, root, minutes, small_disks):
        self.bin, self.root = pathlib.Path(binaries).resolve(), root  # resolved: a new build must not come into a run
        short = None if len(tempfile.gettempdir()) < 40 else "/tmp"  # sockets have short names
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="rc-", dir=short))
        for part in ("redis", "blobs", "scratch", "logs"):
            (self.dir / part).mkdir()
        (self.dir / "pipelines.json").write_text(json.dumps(PIPELINES).replace("$SCRIPT", str(self.dir / "step.sh")))
        (self.dir / "step.sh").write_text(STEP_SCRIPT)
        self.launcher = concurrent.futures.ThreadPoolExecutor(1)
        self.processes, self.slots, self.exits = [], [], []
        self.over, self.watcher = threading.Event(), None
        size = 64 + int(24 * minutes)
        self.disks = {name: SmallDisk(self.dir / name, size) for name in ("redis", "blobs")} if small_disks else {}
        self.redis = RedisServer(self)

    def start(self):
        self.redis.start()
        self.redis.wait()
        for kind, many in (("api", APIS), ("worker", WORKERS)):
            self.slots += [Slot(self, kind, n + 1) for n in range(many)]
        for slot in self.slots:
            slot.start()
            if not slot.wait_ready():
                raise AssertionError(f"{slot.now.name} does not start:\n{slot.now.process.log_text()[-2000:]}")
        self.watcher = threading.Thread(target=self.watch, name="watch", daemon=True)
        self.watcher.start()

    @property
    def apis(self):
        return [s for s in self.slots if s.kind == "api"]

    @property
    def workers(self):
        return [s for s in self.slots if s.kind == "worker"]

    def instances(self):
        return [i for slot in self.slots for i in slot.instances]

    def launch(self, name, argv, log):
        """By one thread that lives as long as we do: a child is killed when the thread that made it ends."""
        process = self.launcher.submit(Process, name, argv, self.dir, log).result(30)
        self.processes.append(process)
        return process

    def settings(self, redis_port):
        return ["--redis-url", f"redis://127.0.0.1:{redis_port}", "--blobs", f"file://{self.dir}/blobs"]

    def argv(self, slot, name):
        common = self.settings(slot.proxy.port)
        if slot.kind == "api":
            return [self.bin / "reprise-api", "serve", "--listen", f"127.0.0.1:{slot.port}", *common]
        return [self.bin / "reprise-worker", "--name", name, "--work-dir", self.dir / "scratch", "--drain", DRAIN,
                "--concurrency", SLOTS, "--pipelines", self.dir / "pipelines.json", "--toolchain",
                self.root / "worker/toolchain", *common]

    # --- watching ---

    def watch(self):
        next_sample = 0.0
        while not self.over.wait(0.2):
            self.redis.keep_up()
            for slot in self.slots:
                slot.keep_up()
            if time.time() >= next_sample:
                next_sample = time.time() + 2
                self.sample()

    def note_exit(self, instance):
        """Nobody ends by itself, whatever the trouble: that is a defect."""
        last = instance.process.log_text().splitlines()[-1:]
        status = instance.process.child.returncode
        self.exits.append(f"{instance.name} ended by itself with {status}: {' '.join(last)[:300]}")

    def sample(self):
        for slot in self.slots:
            instance = slot.now
            with contextlib.suppress(OSError, ValueError, IndexError):
                proc = pathlib.Path("/proc", str(instance.pid))
                resident = int((proc / "statm").read_text().split()[1]) * 4
                instance.samples.append((time.time(), resident, len(list((proc / "fd").iterdir()))))

    def log_defects(self):
        return [f"{p.name}: {line[:300]}" for p in self.processes if p.log.exists()
                for line in p.log_text().splitlines() if any(word in line for word in DEFECTS)]

    # --- the end ---

    def stop_processes(self):
        """TERM to everything but Redis; answers what was wrong."""
        self.over.set()
        self.watcher.join(30)
        wrong = []
        for slot in self.slots:
            slot.wanted = False
        for slot in self.slots:
            try:
                status = slot.now.process.stop(20)
                if status != 0:
                    wrong.append(f"{slot.now.name} ended with {status}")
            except AssertionError as error:
                wrong.append(str(error))
        return wrong

    def leftovers(self):
        known = {p.pid for p in self.processes if p.alive()}
        found = [f"process {pid}: {words[:200]}" for pid, words in self.mine().items() if pid not in known]
        found += [f"in the work directory: {path.name}" for path in (self.dir / "scratch").iterdir()]
        kills = [i.killed_at for i in self.instances() if i.killed_at]
        for path in (self.dir / "blobs").rglob(".tmp-*"):
            # What a process was writing when it was killed stays until the sweep takes it, a day later.
            written = path.stat().st_mtime
            if not any(-0.1 <= at - written <= 5 for at in kills):
                found.append(f"temporary file of the blob store: {path.name}, of {written:.1f}")
        return found

    def keep(self, directory):
        for part in ("logs", "redis"):
            shutil.copytree(self.dir / part, directory / part, dirs_exist_ok=True,
                            ignore=shutil.ignore_patterns("s", "filler"))
        for file in [*self.dir.glob("*.json*"), *self.dir.glob("*.svg")]:
            shutil.copy(file, directory)

    def close(self):
        self.over.set()
        for slot in self.slots:
            slot.wanted = False
        self.redis.wanted = False
        for disk in self.disks.values():
            disk.unmount()
        Stack.kill_all(self)
        for slot in self.slots:
            slot.proxy.close()
        self.launcher.shutdown()
