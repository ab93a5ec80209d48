"""latency: from a retry to the beginning of its run on an idle Reprise, one run at a time at random gaps, as somebody sees it
who reads the feed with blocking XREADs, from just before the POST and from the accept's event; against the round trip of a
PING at such moments."""
from group import Group
from measuring import tool
from server import Server


class Bench(Group):
    def prepare(self):
        self.at = {}
        for aof in self.options.aof:
            self.progress.say(f"latency: a Reprise with aof {aof}")
            server = self.at[aof] = self.server(Server(aof))
            server.start_worker()
            self.first_step(server, 30)

    def blocks(self):
        return [[(f"aof {aof}", self.case(self.one, aof, server)) for aof, server in self.at.items()]]

    def first_step(self, server, runs):
        return tool("first_step", "--redis", server.socket, "--port", server.port, "--request", server.retry_file(), "--runs", runs,
                    "--seed", self.dice.randrange(1 << 31))

    def one(self, aof, server):
        said = self.first_step(server, 100 if self.options.quick else 300 // self.slices)
        for what, name in (("ping", "PING"), ("answer", "POST to 202"), ("postToStep", "POST to running"),
                           ("acceptToStep", "accept's event to running"), ("whole", "POST to the end, 4 steps")):
            for part in ("p50", "p99"):
                self.figures.add(f"aof {aof}, {name}: {part}", said[what][part], "us")

    def ratios(self):
        for aof in self.at:
            for name in ("POST to 202", "POST to running", "accept's event to running"):
                for part in ("p50", "p99"):
                    self.figures.ratio(f"aof {aof}: {name}, {part} / PING, p50", f"aof {aof}, {name}: {part}",
                                       f"aof {aof}, PING: p50")
