"""memory: bytes of Redis per queued and per finished run (four steps, no artifacts), and of the API per idle connection and per
watcher. The feed is at its cap beforehand; a worker's and the sweep's own keys are in the figures, spread over 20,000 runs."""
import pathlib
import re

from capture import Accept
from group import Group
from held import allowed, holding
from measuring import replay
from server import Server, settled

RUNS, IDLE, WATCHING = 20_000, 2_000, 1_000


def proportional(process):
    """Bytes of memory, with shared pages counted in proportion."""
    text = pathlib.Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
    return int(re.search(r"\nPss: +(\d+) kB", text)[1]) * 1024


class Bench(Group):
    MOST, SLICED = 3, False  # they hardly differ

    def prepare(self):
        self.made = self.server(Server())
        self.made.accept = Accept(self.made)
        self.made.fill_feed(self.made.accept)
        self.runs = 3000 if self.options.quick else RUNS
        self.idle, self.watching = allowed(IDLE, WATCHING)

    def blocks(self):
        return [[("Redis", self.measure_redis), ("idle connections", self.case(self.measure_api, "idle", self.idle)),
                ("watchers", self.case(self.measure_api, "watching", self.watching))]]

    def measure_redis(self):
        server = self.made
        server.reset()
        settled(1.5)  # the API's sweeps have been there
        before = server.memory()
        replay(server, server.accept.call_file, server.accept.run, calls=self.runs)
        self.figures.add("Redis, a queued run", (server.memory() - before) / self.runs, "bytes")
        server.work_off(server.accept, 0)
        settled(2.5)  # the sweep has trimmed the tickets
        self.figures.add("Redis, a finished run", (server.memory() - before) / self.runs, "bytes")

    def measure_api(self, kind, count):
        """By an API that has only just started: what is freed stays with a process, and would hide what comes after."""
        server = self.made
        server.reset()
        run = server.api_client().retry(server.source).json["run"]["id"]
        api = server.start_api("api-2")
        try:
            with holding(server, api.port, run, **{kind: 20}):  # what the first of all needs is not the price of one
                settled(0.5)
            settled(0.5)
            before = proportional(api)
            with holding(server, api.port, run, **{kind: count}):
                settled(1)
                self.figures.add(f"API, {'an idle connection' if kind == 'idle' else 'a watcher'}",
                                 (proportional(api) - before) / count, "bytes")
        finally:
            server.end(api)
            api.log.unlink()
