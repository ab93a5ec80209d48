"""growth: retries accepted per second at 64 connections, their p99, and runs worked off per second by one worker, with few and
with many finished runs in Redis, and with few and with many queued; against the smallest."""
import time

from capture import Accept, Life
from group import SLICE, Group
from measuring import Invalid, replay, wrk
from process import wait_for
from server import P0, Server, settled

CHUNK = 20_000


class Bench(Group):
    def prepare(self):
        finished, queued = ((1000, 10_000), (10, 10_000)) if self.options.quick else ((1000, 100_000), (10, 10_000, 100_000))
        if self.options.full:
            finished += (1_000_000,)
        self.families, self.at = {"finished": finished, "queued": queued}, {}
        for kind, sizes in self.families.items():
            for size in sizes:
                self.progress.say(f"growth: a Reprise with {size:,} {kind} runs")
                server = self.at[kind, size] = self.server(Server())
                server.accept, server.life = Accept(server), Life(server)
                server.reset()
                self.finish(server, size if kind == "finished" else 1000)
                server.backlog = size if kind == "queued" else 0
                self.top_up(server)

    def finish(self, server, runs):
        before = server.ended()
        for left in range(runs, 0, -CHUNK):
            self.progress.say(f"growth: {left:,} runs still to be made")
            server.life.fill(min(left, CHUNK))
        assert server.ended() - before == runs, f"{server.ended() - before} runs ended of {runs}"

    @staticmethod
    def top_up(server):
        missing = server.backlog - server.redis.call("ZCARD", P0 + "queued")
        if missing > 0:
            replay(server, server.accept.call_file, server.accept.run, calls=missing)

    def blocks(self):
        out = {kind: [] for kind in self.families}
        for (kind, size), server in self.at.items():
            out[kind].append((f"{size:,} {kind}", self.case(self.one, kind, size, server)))
        return list(out.values())

    def one(self, kind, size, server):
        settled()
        said = wrk(server, 64, SLICE)
        self.figures.add(f"{size:,} {kind}: accepted", said["rate"], "/s")
        self.figures.add(f"{size:,} {kind}: p99", said["p99"], "us")
        self.figures.add(f"{size:,} {kind}: worked off", self.work_off(server), "/s")
        self.top_up(server)

    @staticmethod
    def work_off(server):
        """What has just been accepted, down to the backlog of before."""
        def queued():
            return server.redis.call("ZCARD", P0 + "queued")
        start = queued()
        most = start - (start - server.backlog) // 20
        worker = server.start_worker()
        try:
            wait_for("a worker begins", lambda: queued() <= most, 30, every=0.01)
            first, began = queued(), time.monotonic()
            wait_for("the backlog is as before", lambda: queued() <= server.backlog, 60, every=0.02)
            done, seconds = first - queued(), time.monotonic() - began
        finally:
            server.end_worker(worker)
        if seconds < 0.1:
            raise Invalid("over too soon to be measured")
        return done / seconds

    def ratios(self):
        for kind, (least, *others) in self.families.items():
            for size in others:
                for what in ("accepted", "p99", "worked off"):
                    self.figures.ratio(f"{what}, {size:,} / {least:,} {kind}", f"{size:,} {kind}: {what}",
                                       f"{least:,} {kind}: {what}")
