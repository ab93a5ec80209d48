"""crowd: retries accepted per second at 64 connections by an API that holds 10,000 idle connections and 2,000 watchers besides,
against one that holds none."""
from group import SLICE, Group
from held import allowed, holding
from measuring import wrk
from server import Server, settled

IDLE, WATCHING = 10_000, 2_000


class Bench(Group):
    def prepare(self):
        self.idle, self.watching = allowed(*((2000, 400) if self.options.quick else (IDLE, WATCHING)))
        self.alone, self.crowded = self.server(Server()), self.server(Server())
        for server in (self.alone, self.crowded):
            wrk(server, 64, 1)
            server.reset()
        self.what = f"{self.idle:,} idle, {self.watching:,} watching"

    def blocks(self):
        return [[("alone", self.measure_alone), (self.what, self.measure_crowded)]]

    def measure_alone(self):
        self.alone.reset()
        settled()
        self.note("alone", wrk(self.alone, 64, SLICE))

    def measure_crowded(self):
        self.crowded.reset()
        run = self.crowded.api_client().retry(self.crowded.source).json["run"]["id"]
        with holding(self.crowded, self.crowded.port, run, self.idle, self.watching):
            settled(1)
            self.note(self.what, wrk(self.crowded, 64, SLICE))

    def note(self, name, said):
        self.figures.add(f"{name}: accepted", said["rate"], "/s")
        self.figures.add(f"{name}: p99", said["p99"], "us")

    def ratios(self):
        self.figures.ratio("with the crowd / alone", f"{self.what}: accepted", "alone: accepted")
        self.figures.ratio("p99 with the crowd / alone", f"{self.what}: p99", "alone: p99")
