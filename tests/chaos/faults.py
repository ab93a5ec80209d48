"""Carries out a schedule: each fault on a thread of its own, injected, waited for and healed."""
import contextlib
import os
import pathlib
import random
import signal
import threading
import time

from cluster import DRAIN, LEASE
from resp import Redis

ENDS_WITHIN = DRAIN + LEASE + 7  # after TERM: a worker without Redis holds on to its runs until their leases end


class Faults:
    def __init__(self, cluster, schedule):
        self.cluster, self.schedule = cluster, schedule
        self.done, self.skipped, self.failed = [], [], []   # done: [fault, from, until]
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.carry_out, args=(fault,), daemon=True) for fault in schedule]
        self.began, self.redis_in_hand = None, threading.Lock()

    def start(self):
        self.began = time.time()
        for thread in self.threads:
            thread.start()

    def heal(self, seconds):
        """Waits until all is healed; what takes longer is called off."""
        deadline = time.monotonic() + seconds
        for thread in self.threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self.over.set()
        for thread in self.threads:
            thread.join(90)

    def now(self):
        return [f"{entry[0].kind} {entry[0].target}" for entry in self.done if entry[2] is None]

    def stopped(self):
        """Times in which an API could not answer: [(port, from, until)]."""
        ports = {slot.name: slot.port for slot in self.cluster.apis}
        return [(ports[f.target], began, (until or time.time()) + 1) for f, began, until in self.done
                if f.kind == "stop-api"]

    def carry_out(self, fault):
        if self.over.wait(max(0.0, self.began + fault.at - time.time())):
            return
        entry = [fault, time.time(), None]
        try:
            with self.hold(fault) as held:
                if not held:
                    self.skipped.append(fault)
                    return
                entry[1] = time.time()
                self.done.append(entry)
                getattr(self, fault.kind.replace("-", "_"))(fault, random.Random(fault.salt))
        except Exception as error:  # pylint: disable=broad-except  # it is said in the report, which then fails
            self.failed.append(f"{fault}: {type(error).__name__}: {error}")
        finally:
            entry[2] = time.time()

    @contextlib.contextmanager
    def hold(self, fault):
        """The places that it breaks, if no fault that takes longer than planned still has them in hand."""
        locks = [slot.in_hand for slot in self.cluster.slots if fault.target in (slot.name, "all")]
        if fault.kind in ("slow", "cut", "cut-mid-pipeline"):
            locks = []  # of links; the processes stay as they are
        if fault.target in ("redis", "blobs"):
            locks.append(self.redis_in_hand)
        with contextlib.ExitStack() as stack:
            for lock in locks:
                if not lock.acquire(timeout=5):
                    yield False
                    return
                stack.callback(lock.release)
            yield True

    def slot(self, fault):
        return next(s for s in self.cluster.slots if s.name == fault.target)

    def links(self, fault):
        return [s.proxy for s in self.cluster.slots if fault.target in (s.name, "all")]

    # --- processes ---

    def kill_worker(self, fault, _):
        slot = self.slot(fault)
        with slot.away("killed"):
            slot.kill()
            self.over.wait(fault.seconds)
            slot.start()

    kill_api = kill_worker

    def stop_worker(self, fault, _):
        slot = self.slot(fault)
        process = slot.now.process
        with slot.away("stopped"):
            process.signal(signal.SIGSTOP)
            try:
                self.over.wait(fault.seconds)
            finally:
                process.signal(signal.SIGCONT)

    stop_api = stop_worker

    def rolling_restart(self, _, __):
        for slot in self.cluster.apis + self.cluster.workers:
            if self.over.is_set():
                return
            with slot.away("restarted"):
                slot.wanted = False
                status = slot.now.process.stop(ENDS_WITHIN)
                if status != 0:
                    self.failed.append(f"{slot.now.name} ended with {status} after TERM")
                slot.start()

    def kill_step(self, _, dice):
        """Wardens and commands alike, as the kernel does when memory is short."""
        for pid in dice.sample(steps := self.steps(), min(len(steps), dice.randrange(1, 6))):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def steps(self):
        """They alone have their home in the work directory."""
        found, home = [], f"HOME={self.cluster.dir}/scratch/".encode()
        for pid in sorted(self.cluster.mine()):
            with contextlib.suppress(OSError):
                if home in pathlib.Path(f"/proc/{pid}/environ").read_bytes():
                    found.append(pid)
        return found

    # --- Redis and disks ---

    def kill_redis(self, fault, _):
        redis = self.cluster.redis
        with redis.outage():
            with redis.guard:
                redis.wanted = False
                redis.process.kill()
            self.over.wait(fault.seconds)
            redis.start()

    def stop_redis(self, fault, _):
        redis = self.cluster.redis
        with redis.outage():
            process = redis.process
            process.signal(signal.SIGSTOP)
            try:
                self.over.wait(fault.seconds)
            finally:
                process.signal(signal.SIGCONT)

    def disk_full(self, fault, _):
        disk = self.cluster.disks[fault.target]
        with self.cluster.redis.outage() if fault.target == "redis" else contextlib.nullcontext():
            disk.fill()
            try:
                self.over.wait(fault.seconds)
            finally:
                disk.free()

    def flush_functions(self, _, __):
        with contextlib.closing(Redis(self.cluster.redis.socket, timeout=5)) as redis:
            redis.call("FUNCTION", "FLUSH")

    # --- links ---

    def cut(self, fault, dice):
        """Once, or some times one after the other."""
        for _ in range(dice.randrange(1, 6)):
            for link in self.links(fault):
                link.cut()
            if self.over.wait(fault.seconds / 5):
                return

    def cut_mid_pipeline(self, fault, dice):
        for link in self.links(fault):
            link.cut_after(dice.randrange(1, 4000))
        self.over.wait(fault.seconds)
        for link in self.links(fault):
            link.cut_after(None)  # or a link that said little would be cut when all is said to be healed

    def half_open(self, fault, _):
        self.broken_link(fault, "silent", self.slot(fault).proxy.half_open)

    def lose_replies(self, fault, _):
        self.broken_link(fault, "unheard", self.slot(fault).proxy.lose_replies)

    def broken_link(self, fault, why, switch):
        with self.slot(fault).away(why):
            switch(True)
            try:
                self.over.wait(fault.seconds)
            finally:
                switch(False)

    def slow(self, fault, dice):
        seconds = dice.uniform(0.05, 0.5)
        for link in self.links(fault):
            link.delay(seconds)
        self.over.wait(fault.seconds)
        for link in self.links(fault):
            link.delay(0)
