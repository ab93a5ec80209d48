"""instructions: what the API executes for one accepted retry, and the worker for one run of four steps, counted by callgrind: the
difference between a small and a large number of them, so that starting and ending cancel out. Repeatable on any machine."""
import pathlib
import re
import shutil

from capture import Accept
from group import Group
from measuring import Invalid, replay, tool
from process import wait_for
from server import Server

FEW, MANY = 200, 1200
QUICK = 100, 300


class Bench(Group):
    MOST, SLICED = 3, False  # they hardly differ

    def prepare(self):
        self.made = self.server(Server())
        self.made.accept = Accept(self.made)

    def blocks(self):
        return [[("a retry", self.case(self.difference, "API, an accepted retry", self.retries)),
                ("a run", self.case(self.difference, "worker, a finished run", self.lives))]]

    def difference(self, name, count):
        few, many = QUICK if self.options.quick else (FEW, MANY)
        less, more = count(few), count(many)
        self.figures.add(name, (more - less) / (many - few), "instructions")

    def counting(self, name):
        out = self.made.dir / f"{name}.callgrind"
        self.made.under = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]
        return out

    def total(self, out):
        if self.options.profile:
            self.options.profile.mkdir(parents=True, exist_ok=True)
            shutil.copy(out, self.options.profile)
        found = re.search(r"^(?:totals|summary): (\d+)", pathlib.Path(out).read_text(encoding="utf-8", errors="replace"), re.M)
        if not found:
            raise Invalid("callgrind left no total")
        return int(found[1])

    def retries(self, calls):
        server = self.made
        server.reset()
        out = self.counting("api")
        try:
            api = server.start_api("api-counted")
        finally:
            server.under = ()
        said = tool("open_loop", "--port", api.port, "--request", server.retry_file(), "--rate", 1e9, "--calls", calls,
                    "--connections", 16, "--patience", 80)
        server.end(api)
        api.log.unlink()
        if said["calls"] != calls or said["unexpected"]:
            raise Invalid(f"{said['unexpected']} of {said['calls']} answers are not 202")
        return self.total(out)

    def lives(self, runs):
        server = self.made
        server.reset()
        replay(server, server.accept.call_file, server.accept.run, calls=runs)
        before, out = server.ended(), self.counting("worker")
        try:
            worker = server.start_worker()
        finally:
            server.under = ()
        wait_for("all runs have ended", lambda: server.ended() - before >= runs, 90, every=0.1)
        server.end_worker(worker)
        worker.log.unlink()
        return self.total(out)
