"""pages: what each list and page of the API takes with 1,000 finished runs in Redis and with 100,000 (a million with --full), with
10,000 queued in both: one call there, one here, and so on; as an organisation and as an operator; against the smallest, of
which the p50, p99 and p99.9 of none may be 1.5 times. Redis, the API and the caller go before all others meanwhile, if root asks."""
import gc
import hashlib
import json
import time

from capture import Accept, Life
from client import Api
from group import Group
from keepalive import KeepAlive
from measuring import Invalid, replay
from pipelines import DOCUMENT, pipelines, shell
from process import wait_for
from server import P0, Server
from undisturbed import undisturbed

CHUNK, QUEUED, FEW, PROJECTS, BULKS, OTHERS = 20_000, 10_000, 1000, 30, 10, 9
ONE_IN = 10  # finished runs have failed
FAILS = pipelines(shell("brittle", "echo 'no such thing' >&2; exit 3", attempts=1))
# What the one worker has in hand while all others wait.
LONG = pipelines(shell("long", "exec sleep 86400", timeoutSeconds=86400))
MOST = 1.5  # times what a call takes with few runs
PARTS = (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))


class Bench(Group):
    SLICED, MOST = False, 3
    told = False

    def prepare(self):
        self.few, self.many = FEW, 10_000 if self.options.quick else 1_000_000 if self.options.full else 100_000
        self.calls = 300 if self.options.quick else 3000
        self.at = {size: self.filled(size) for size in (self.few, self.many)}
        self.pages = {size: server.pages for size, server in self.at.items()}

    def filled(self, size):
        server = self.server(Server())
        server.operator = server.key("*", "ops:read,ops:write")
        for n in range(OTHERS):
            server.key(f"other-{n}")
        client = server.api_client()
        for n in range(PROJECTS):  # before anything else is queued: these are worked on
            assert client.start(DOCUMENT, projectName=f"project {n}").status == 202
        client.close()  # the API closes it before all runs are made
        server.work_off(None, 0)
        whole = Life(server)
        server.pipelines.write_text(json.dumps(FAILS))
        failed = Life(server, "failed")
        before = server.ended()
        self.fill(server, failed, size // ONE_IN)
        self.fill(server, whole, size - size // ONE_IN)
        assert server.ended() - before == size, f"{server.ended() - before} runs ended of {size}"
        for _ in range(BULKS):  # waves that find nothing to do
            assert client.post("/api/bulk", {"of": "failed", "code": "no_such_code", "rate": "100"}).status == 202
        client.close()
        self.busy(server)
        accept = Accept(server)
        replay(server, accept.call_file, accept.run, calls=QUEUED - server.redis.call("ZCARD", P0 + "queued"))
        server.pages = pages(server)
        connection = KeepAlive(server.port)
        wrong = [name for name, request in server.pages.items() if connection.ask(request) != 200]
        connection.close()
        assert not wrong, f"not answered 200: {wrong}"
        return server

    def fill(self, server, life, runs):
        for left in range(runs, 0, -CHUNK):
            self.progress.say(f"pages: {left:,} runs still to be made")
            life.fill(min(left, CHUNK))

    @staticmethod
    def busy(server):
        """One worker with one slot, and a run in it that does not end."""
        server.pipelines.write_text(json.dumps(LONG))
        server.concurrency = 1
        server.long = server.api_client().retry(server.source).json["run"]["id"]
        server.start_worker()
        server.wait_status(server.long, "running")
        wait_for("two samples", lambda: server.redis.call("XLEN", P0 + "samples") > 1, 30)

    def blocks(self):
        return [[(name, self.case(self.one, name))] for name in self.pages[self.few]]

    def one(self, name):
        measured = [p.pid for server in self.servers for p in (server.redis_process, server.api)]
        with undisturbed(measured) as may:
            if not may and not self.told:
                self.progress.note("  pages: not root, so that the scheduler is measured, too: expect a p99.9 of 2 ms")
                self.told = True
            took = self.ask(name)
        for size, times in took.items():
            times.sort()
            for part, share in PARTS:
                self.figures.add(f"{name}, {size:,}: {part}", times[min(len(times) - 1, int(len(times) * share))], "us")

    def ask(self, name):
        """Microseconds of each call, by size."""
        asked = {size: (KeepAlive(server.port), self.pages[size][name]) for size, server in self.at.items()}
        took = {size: [] for size in asked}
        order = list(asked)
        gc.disable()
        try:
            for n in range(self.calls + 50):
                self.dice.shuffle(order)
                for size in order:
                    connection, request = asked[size]
                    began = time.perf_counter_ns()
                    status = connection.ask(request)
                    if n >= 50:  # the first ones find nothing in any cache
                        took[size].append((time.perf_counter_ns() - began) / 1000)
                    if status != 200:
                        raise Invalid(f"{name} answers {status}")
        finally:
            gc.enable()
            for connection, _ in asked.values():
                connection.close()
        return took

    def ratios(self):
        for name in self.pages[self.few]:
            for part, _ in PARTS:
                ratio = f"{name}: {part}, {self.many:,} / {self.few:,}"
                self.figures.ratio(ratio, f"{name}, {self.many:,}: {part}", f"{name}, {self.few:,}: {part}")
                self.figures.bound(ratio, MOST)

    def close(self):
        for server in self.servers:
            for worker in server.workers:  # hands back at once, and does not wait for its run
                Api(server.port, server.operator).post(f"/api/workers/{worker.id}/stop")
        super().close()


def pages(server):
    """All of them by name, as requests ready to be sent."""
    out = {}
    for who, key in (("org", server.api_key), ("ops", server.operator)):
        client = Api(server.port, key)
        for name, path in paths(server, client, who).items():
            out[f"{who} {name}"] = (f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n\r\n").encode()
        client.close()
    return out


def paths(server, client, who):
    of = server.redis.call("ZRANGE", P0 + "runs:bench:complete", 0, 0)[0]
    waiting = server.redis.call("ZREVRANGE", P0 + "queued", 0, 0)[0]
    project = client.get(f"/api/runs/{of}").json["projectId"]
    bulk = server.redis.call("ZRANGE", P0 + "bulks:bench", 0, 0)[0]
    filters = {"": "", "project": f"projectId={project}", "status=complete": "status=complete", "status=failed": "status=failed",
               "status=queued": "status=queued", "error": "error=step_failed", "source": f"sourceRunId={server.source}",
               "project and status": f"projectId={project}&status=failed", "source and status": f"sourceRunId={server.source}"
               "&status=failed", "other source": f"sourceRunId={of}", "q=project": "q=project%203", "q=run": f"q={of}",
               "q=project and status": f"q={project}&status=failed", "100 of": "limit=100"}
    if who == "ops":  # what belongs to one organisation is looked for within one
        filters["org"] = "org=bench"
    found = {f"runs {name}".strip(): "/api/runs?" + words for name, words in filters.items()}
    for name, index in (("", "runs:bench"), ("project", f"runs:bench:{project}"), ("status=complete", "runs:bench:complete"),
                        ("status=failed", "runs:bench:failed"), ("error", "errors:bench:step_failed")):
        asked = dict(word.split("=") for word in filters[name].split("&") if word)
        org = "bench" if who == "org" or "projectId" in asked else "*"  # a project is looked for in its organisation
        of_list = [f"{P0}runs:{org}", *(asked.get(f, "") for f in ("projectId", "status", "sourceRunId", "error", "q"))]
        found[f"runs {name}, deep".replace(" ,", ",")] = f"/api/runs?{filters[name]}&cursor={cursor(server, index, *of_list)}"
    dead = P0 + "dead:bench" if who == "org" else "/api/dead"
    found["dead, deep"] = f"/api/dead?cursor={cursor(server, 'dead:bench', dead)}"
    found |= {"run": f"/api/runs/{of}", "run queued": f"/api/runs/{waiting}", "run explain": f"/api/runs/{waiting}/explain",
              "run history": f"/api/runs/{of}/history", "project": f"/api/projects/{project}", "bulk": f"/api/bulk/{bulk}"}
    lists = ["dead", "projects", "overview", "failures", "bulk", "me"]
    if who == "ops":
        middle = cursor(server, "runs:bench").partition("-")[0]
        found |= {"history of a week": "/api/history?span=week", "audit, deep": f"/api/audit?cursor={middle}-0"}
        lists += ["queue", "workers", "scale", "audit", "history", "orgs"]
    return found | {f"{name} list" if name in found else name: f"/api/{name}" for name in lists}


def cursor(server, index, *asked_of):
    """To the middle of a list, as the API makes them: so deep that it would take an hour to go there page by page."""
    key = P0 + index
    runs = server.redis.call("ZCARD", key)
    middle = (runs - QUEUED if runs > QUEUED else runs) // 2  # of those that have ended: queued ones are smaller
    run, at = server.redis.call("ZRANGE", key, middle, middle, "WITHSCORES")
    return f"{at}-{run}-{hashlib.sha256(' '.join((at, run, *asked_of)).encode()).hexdigest()[:8]}"
