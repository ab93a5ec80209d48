"""accept: retries accepted per second by one API thread, at 1 to 256 connections, against three yardsticks of the same round:
ceiling (the same function called by a bare client of Redis), native (what it writes as native commands in one MULTI) and
floor (a bare Beast server with the same answer)."""
from capture import Accept, encoded
from group import SLICE, Group
from measuring import TOOL, replay, wrk
from server import Server, settled



class Bench(Group):
    QUICK = 2

    def prepare(self):
        self.at = {}
        for aof in self.options.aof:
            self.progress.say(f"accept: a Reprise with aof {aof}")
            server = self.at[aof] = self.server(Server(aof, threads=self.options.threads))
            server.accept = Accept(server)
            server.sources = server.fill_feed(server.accept)
            wrk(server, 64, 1)  # so that the first round is no colder than the others
            (server.dir / "ping").write_bytes(encoded([b"PING"]))
        self.first = self.at[self.options.aof[0]]
        (self.first.dir / "answer").write_bytes(self.first.answer_to_retry())
        self.floor = self.first.launch("floor", [TOOL, "http_floor", "--answer", self.first.dir / "answer"])
        self.floor_port = self.floor.wait_log("serving")["port"]

    def blocks(self):
        """What is compared with one another stands together: the rest of a round takes longer than the machine stays the same."""
        compared, others = [("floor", self.measure_floor)], []
        for aof, server in self.at.items():
            for connections in self.options.connections:
                (compared if connections == 64 else others).append(
                    (f"aof {aof}, {connections} connections", self.case(self.closed_loop, aof, server, connections)))
            compared.append((f"aof {aof}, {len(server.sources)} sources",
                             self.case(self.closed_loop, aof, server, 64, server.sources)))
            compared.append((f"aof {aof}, ceiling", self.case(self.bare, aof, server, "ceiling", 64)))
            compared.append((f"aof {aof}, native", self.case(self.bare, aof, server, "native", 64)))
            others.append((f"aof {aof}, ceiling, 16 in flight", self.case(self.bare, aof, server, "ceiling, 16 in flight", 16)))
            others.append((f"aof {aof}, PING", self.case(self.bare, aof, server, "PING", 64)))
        return compared, others

    def measure_floor(self):
        said = wrk(self.first, 64, SLICE, port=self.floor_port)
        self.figures.add("floor, 64 connections", said["rate"], "/s")

    def closed_loop(self, aof, server, connections, sources=None):
        server.reset()
        settled()
        redis, api = server.processor()
        said = wrk(server, connections, SLICE, sources)
        redis_after, api_after = server.processor()
        name = f"aof {aof}, {connections} conn" + (f", {len(sources)} sources" if sources else "")
        self.figures.add(f"{name}: accepted", said["rate"], "/s")
        self.percentiles(name, said)
        if connections == 64:
            self.figures.add(f"{name}: CPU of the API per retry", (api_after - api) / said["answers"] * 1e6, "us")
            self.figures.add(f"{name}: CPU of Redis per retry", (redis_after - redis) / said["answers"] * 1e6, "us")

    def bare(self, aof, server, what, in_flight):
        server.reset()
        settled()
        if what == "PING":
            said = replay(server, server.dir / "ping", in_flight=in_flight, seconds=SLICE)
        else:
            file = server.accept.native_file if what == "native" else server.accept.call_file
            redis, _ = server.processor()
            said = replay(server, file, server.accept.run, in_flight, seconds=SLICE)
            if in_flight == 64:
                used = server.processor()[0] - redis
                self.figures.add(f"aof {aof}, {what}: CPU of Redis per call", used / said["calls"] * 1e6, "us")
        self.figures.add(f"aof {aof}, {what}", said["rate"], "/s")

    def ratios(self):
        for aof in self.at:
            accepted = f"aof {aof}, 64 conn: accepted"
            self.figures.ratio(f"aof {aof}: accept / ceiling", accepted, f"aof {aof}, ceiling")
            self.figures.ratio(f"aof {aof}: ceiling / native", f"aof {aof}, ceiling", f"aof {aof}, native")
            self.figures.ratio(f"aof {aof}: accept / native", accepted, f"aof {aof}, native")
            self.figures.ratio(f"aof {aof}: accept / floor", accepted, "floor, 64 connections")
            many = len(self.at[aof].sources)
            self.figures.ratio(f"aof {aof}: {many} sources / one", f"aof {aof}, 64 conn, {many} sources: accepted", accepted)
            if aof != "none":
                self.figures.ratio(f"aof {aof} / aof none", accepted, "aof none, 64 conn: accepted")
