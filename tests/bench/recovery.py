"""recovery: a worker with runs in hand is killed (SIGKILL); seconds until they are running again on another, with the lease as it
is shipped (15 s, extended every 5 s, swept every second)."""
import time

from group import Group
from measuring import Invalid
from pipelines import pipelines, shell
from server import DOCUMENT, P0, Server
from stack import Stack

RUNS, LEASE, PROMISED = 8, 15.0, 20.0


class Waiting(Server):
    """Runs that stay in hand until they are canceled; no source."""

    def __init__(self):
        self.aof, self.programs = "none", Server.programs
        Stack.__init__(self, pipelines(shell("wait", "exec sleep 300")), workers=0, concurrency=RUNS,
                       settings=("--durability", "none"), serve=("--rate", 0))
        self.api_key = self.key("bench")


class Bench(Group):
    SLICED = False

    def prepare(self):
        self.made = self.server(Waiting())

    def blocks(self):
        return [[("a killed worker", self.one)]]

    def one(self):
        server, client = self.made, self.made.api_client()
        first = server.start_worker()
        runs = [client.start(DOCUMENT).json["run"]["id"] for _ in range(RUNS)]
        for run in runs:
            server.wait_status(run, "running", seconds=10)
        second = server.start_worker()
        time.sleep(self.dice.uniform(0, 5))  # somewhere between two beats
        last = server.redis.call("XREVRANGE", P0 + "events", "+", "-", "COUNT", 1)[0][0]
        killed = time.monotonic()
        server.kill_worker(first)
        took = []
        while len(took) < RUNS and time.monotonic() < killed + PROMISED:
            said = server.redis.call("XREAD", "BLOCK", 500, "STREAMS", P0 + "events", last)
            for entry, fields in said[0][1] if said else ():
                last = entry
                if "run.running" in fields:
                    took.append(time.monotonic() - killed)
        for run in runs:
            client.post(f"/api/runs/{run}/cancel")
        client.close()
        server.workers.remove(first)
        server.processes.remove(first)
        server.end_worker(second)
        if len(took) < RUNS:
            raise Invalid(f"{RUNS - len(took)} of {RUNS} runs are not running again within {PROMISED:g} s")
        self.figures.add("running again, first", took[0], "s")
        self.figures.add("running again, last", took[-1], "s")
        self.figures.add("last / lease", took[-1] / LEASE, "x")
