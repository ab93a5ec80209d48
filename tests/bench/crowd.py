"""crowd: retries accepted per second at 64 connections by an API that holds 10,000 idle connections and 2,000 watchers besides,
against the same when it holds none."""
from group import SLICE, Group
from held import allowed, holding
from measuring import wrk
from server import Server, settled

IDLE, WATCHING = 10_000, 2_000


class Bench(Group):
    def prepare(self):
        self.idle, self.watching = allowed(*((2000, 400) if self.options.quick else (IDLE, WATCHING)))
        self.one = self.server(Server())
        wrk(self.one, 64, 1)
        self.what = f"{self.idle:,} idle, {self.watching:,} watching"

    def blocks(self):
        return [[("alone", self.measure_alone), (self.what, self.measure_crowded)]]

    def measure_alone(self):
        self.one.reset()
        settled(1)
        self.note("alone", wrk(self.one, 64, SLICE))

    def measure_crowded(self):
        self.one.reset()
        run = self.one.api_client().retry(self.one.source).json["run"]["id"]
        with holding(self.one, self.one.port, run, self.idle, self.watching):
            settled(1)
            self.note(self.what, wrk(self.one, 64, SLICE))

    def note(self, name, said):
        self.figures.add(f"{name}: accepted", said["rate"], "/s")
        self.figures.add(f"{name}: p99", said["p99"], "us")

    def ratios(self):
        self.figures.ratio("with the crowd / alone", f"{self.what}: accepted", "alone: accepted")
        self.figures.ratio("p99 with the crowd / alone", f"{self.what}: p99", "alone: p99")
