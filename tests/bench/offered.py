"""offered: how long a retry takes while they come at a fixed rate, at 25 to 90 % of what a closed loop of 64 connections
accepts in the same round; counted from when it was due, so that waiting counts."""
from capture import Accept
from group import SLICE, Group
from measuring import Invalid, tool, wrk
from server import Server, settled

SHARES = (25, 50, 75, 90)


class Bench(Group):
    def prepare(self):
        self.at = {}
        for aof in self.options.aof:
            self.progress.say(f"offered: a Reprise with aof {aof}")
            server = self.at[aof] = self.server(Server(aof, threads=self.options.threads))
            server.fill_feed(Accept(server))
            server.retry_file()
            wrk(server, 64, 1)

    def blocks(self):
        return [[(f"aof {aof}", self.case(self.one, aof, server)) for aof, server in self.at.items()]]

    def one(self, aof, server):
        """The closed loop comes first: it says what to offer."""
        server.reset()
        settled()
        most = wrk(server, 64, SLICE)["rate"]
        self.figures.add(f"aof {aof}, closed loop: accepted", most, "/s")
        shares = (25, 75) if self.options.quick else SHARES
        for share in self.dice.sample(shares, len(shares)):
            server.reset()
            settled()
            said = tool("open_loop", "--port", server.port, "--request", server.retry_file(), "--rate", f"{most * share / 100:.3f}",
                        "--seconds", SLICE)
            if said["unexpected"] or said["unanswered"]:
                raise Invalid(f"{said['unexpected']} answers are not 202, {said['unanswered']} did not come at {share} %")
            name = f"aof {aof}, {share} %"
            self.percentiles(name, said)
            self.figures.add(f"{name}: offered", most * share / 100, "/s")
            self.figures.add(f"{name}: the sender's own lateness, p99", said["senderP99"], "us")

    def ratios(self):
        for aof in self.at:
            self.figures.ratio(f"aof {aof}: p99 at 75 % / p50 at 25 %", f"aof {aof}, 75 %: p99", f"aof {aof}, 25 %: p50")
