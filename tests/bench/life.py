"""life: runs per second through their whole life (claim, four steps that do nothing, finish) by one worker that works on 1,
64 or 1,024 at once, against two yardsticks of the same round: ceiling (what the worker sends for one run when it is idle, sent by a
bare client for 64 runs at a time) and the least that a queue on a stream does (XREADGROUP and XACK, with and without XADD)."""
from capture import Accept, Life
from group import SLICE, Group
from measuring import Invalid, replay, tool
from process import processor_seconds, wait_for
from server import ENDED, P0, Server, settled

LONGEST = 60     # seconds that a case may take
FIRST = 0.05     # the share of the runs after which the clock starts


class Bench(Group):
    QUICK = 2

    def prepare(self):
        self.at, self.pace = {}, {}
        for aof in self.options.aof:
            self.progress.say(f"life: a Reprise with aof {aof}")
            server = self.at[aof] = self.server(Server(aof))
            server.accept = Accept(server)
            server.fill_feed(server.accept)
            for concurrency in self.options.concurrency:
                self.pace[aof, concurrency] = pace_of(server, concurrency)
            server.reset()
            server.life = Life(server)

    def blocks(self):
        out = []
        for aof, server in self.at.items():
            for concurrency in self.options.concurrency:
                out.append((f"aof {aof}, {concurrency} at once", self.case(self.one, aof, server, concurrency)))
            out.append((f"aof {aof}, ceiling", self.case(self.ceiling, aof, server)))
            for adds in (False, True):
                out.append((f"aof {aof}, a bare loop", self.case(self.bare, aof, server, adds)))
        return [out]

    def one(self, aof, server, concurrency):
        wanted = int(self.pace[aof, concurrency] * SLICE)  # by the last pace
        said = whole_lives(server, max(100, min(wanted, 100_000)), concurrency)
        self.pace[aof, concurrency] = said["rate"]
        name = f"aof {aof}, {concurrency} at once"
        self.figures.add(f"{name}: runs", said["rate"], "/s")
        self.figures.add(f"{name}: CPU of the worker per run", said["worker"], "us")
        self.figures.add(f"{name}: CPU of Redis per run", said["redis"], "us")

    def ceiling(self, aof, server):
        server.reset()
        settled()
        said = server.life.fill(2000)
        self.figures.add(f"aof {aof}, ceiling: runs", said["runs"] / said["claimToEnd"], "/s")

    def bare(self, aof, server, adds):
        server.reset()
        settled()
        said = tool("stream_loop", "--redis", server.socket, "--like", server.source, "--entries", 100_000,
                    "--seconds", SLICE, *(["--add"] if adds else []))
        self.figures.add(f"aof {aof}, bare {'XADD, ' if adds else ''}XREADGROUP, XACK", said["rate"], "/s")

    def ratios(self):
        for aof in self.at:
            for concurrency in self.options.concurrency:
                runs = f"aof {aof}, {concurrency} at once: runs"
                self.figures.ratio(f"aof {aof}: {concurrency} at once / ceiling", runs, f"aof {aof}, ceiling: runs")
                for bare in ("XREADGROUP, XACK", "XADD, XREADGROUP, XACK"):
                    self.figures.ratio(f"aof {aof}: {concurrency} at once / bare {bare}", runs, f"aof {aof}, bare {bare}")
                if aof != "none":
                    self.figures.ratio(f"aof {aof} / aof none, {concurrency} at once", runs,
                                       f"aof none, {concurrency} at once: runs")


def pace_of(server, concurrency):
    """Roughly: how many runs make a measurement that is long enough."""
    for runs in (200, 2000, 20_000):
        try:
            return whole_lives(server, runs, concurrency)["rate"]
        except Invalid as why:
            last = why
    raise last


def whole_lives(server, runs, concurrency):
    """Queues so many runs, then starts a worker. By Redis' clock, from when it has ended a twentieth to the last end: runs
    per second, and microseconds of CPU per run of the worker and of Redis."""
    server.reset()
    replay(server, server.accept.call_file, server.accept.run, calls=runs)
    settled()
    before = server.ended()
    server.concurrency = concurrency
    worker = server.start_worker()
    try:
        samples = []

        def sample():
            (now, micros), counts = server.redis.transaction([("TIME",), ("HMGET", P0 + "stats", *ENDED)])
            ended = sum(int(n or 0) for n in counts) - before
            samples.append((int(now) + int(micros) / 1e6, ended, processor_seconds(worker.pid), server.processor()[0]))
            return ended >= runs
        wait_for("all runs have ended", sample, LONGEST, every=0.05)
        last = server.redis.call("XREVRANGE", P0 + "events", "+", "-", "COUNT", 1)[0][0]
    finally:
        server.end_worker(worker)
    first = next(one for one in samples if one[1] >= FIRST * runs)
    done, seconds = runs - first[1], int(last.partition("-")[0]) / 1000 - first[0]
    if done < runs / 4 or seconds <= 0:
        raise Invalid(f"over too soon to be measured: {runs} runs, {first[1]} of them before the first look")
    worker, redis = ((samples[-1][i] - first[i]) / done * 1e6 for i in (2, 3))
    return {"rate": done / seconds, "worker": worker, "redis": redis}
