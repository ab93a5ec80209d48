"""What the tests of a Redis in trouble share: programs that reach it through proxies, a run in hand, and what every
trouble is judged by: bounded refusals while it lasts, everything back by itself soon after, no run lost or twice."""
import concurrent.futures
import contextlib
import json
import pathlib
import re
import signal
import threading
import time

from client import Api
from contract import check_accepted, check_error, check_run
from fault_proxy import FaultProxy
from pipelines import DOCUMENT, NOOP, VERIFY, pipelines, shell
from resp import RedisError
from retrying import another_id
from stack import ENDED, P0, ROOT, FreshStackTest, Stack, wait_for

QUICK = ("--beat", 500, "--sweep", 300)
BACK = 5.0         # seconds after the end of a trouble in which everything works again
MARGIN = 2.5       # seconds that an answer may take beyond the time that Redis has for a reply: a repetition, and a busy host
ALIVE = 2.0        # seconds that /livez may take at any time, as a busy test sees it
MOST_LINES = 500   # of each program's log, for one trouble, beside those that it says of each run
UNAVAILABLE = set(re.findall(r"^CODE\((\w+), 503,", (ROOT / "common/error_codes.def").read_text(), re.M))

# `long` says that it has begun, goes on until there is a file `go`, and leaves an artifact.
STEPS = pipelines(
    VERIFY, shell("long", 'echo $$ >>"$0/long"; while ! test -e "$0/go"; do sleep 0.05; done; echo made >a',
                  artifacts=[{"key": "a.txt", "path": "a"}], attempts=3), NOOP)


class SteadyStack(Stack):
    """Its API has the same number of threads on every host: each has a connection to Redis, with lines of its own in the
    log."""

    def launch(self, name, argv, directory=None):
        return super().launch(name, [*argv, "--threads", 2] if name.startswith("api") else argv, directory)


class ProxiedStack(SteadyStack):
    """The API reaches Redis through one proxy, the workers through another."""
    proxies = {}

    def start_redis(self):
        super().start_redis()
        self.proxies = self.proxies or {role: FaultProxy(self.socket) for role in ("api", "worker")}

    def common(self, role):
        words = super().common(role)
        if role in self.proxies:
            words[words.index("--redis-url") + 1] = f"redis://127.0.0.1:{self.proxies[role].port}"
        return words

    def kill_all(self):
        super().kill_all()
        for proxy in self.proxies.values():
            proxy.close()


class Pulse(threading.Thread):
    """Asks /livez all the time, on a connection of its own: no trouble of Redis may keep the API from answering."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.api, self.slowest, self.wrong, self.over = Api(port), 0.0, [], threading.Event()

    def run(self):
        while not self.over.wait(0.05):
            began = time.monotonic()
            try:
                answer = self.api.get("/livez")
            except OSError as error:
                self.wrong.append(repr(error))
                continue
            self.slowest = max(self.slowest, time.monotonic() - began)
            if answer.status != 200:
                self.wrong.append(repr(answer))

    def stop(self):
        self.over.set()
        self.join(10)
        self.api.close()


class TroubleTest(FreshStackTest):
    steps, workers, kind, stack_options = STEPS, 1, SteadyStack, {}
    lease = 15.0         # seconds, as shipped
    redis_timeout = 1.0  # seconds; 2 are shipped

    def setUp(self):
        self.answered = self.redis_timeout + MARGIN
        settings = (*QUICK, "--lease", int(self.lease * 1000), "--redis-timeout", int(self.redis_timeout * 1000))
        self.stack = self.kind(pipelines=self.steps, workers=0, settings=settings, **self.stack_options)
        self.addCleanup(self.end_stack, self.stack)
        self.addCleanup(self.let_end)
        self.side = self.stack.dir / "side"
        self.stack.pipelines.write_text(self.stack.pipelines.read_text().replace("$0", str(self.side)))
        for _ in range(self.workers):
            self.stack.start_worker()
        self.client = self.stack.client()
        # That Redis was away is told by sweeps that are missing: there must have been one.
        first = self.stack.redis.hash(P0 + "swept").get("last")
        wait_for("a sweep", lambda: self.stack.redis.hash(P0 + "swept").get("last") != first)
        self.healed = time.monotonic()

    def let_end(self):
        """Also after a failure: the end of the stack finds nothing that hangs."""
        if self.stack.redis_process.alive():
            self.stack.redis_process.signal(signal.SIGCONT)
        for proxy in getattr(self.stack, "proxies", {}).values():
            proxy.half_open(False)
            proxy.lose_replies(False)
            proxy.delay(0)
        self.go()

    # --- runs ---

    def begun(self):
        file = self.side / "long"
        return len(file.read_text().splitlines()) if file.exists() else 0

    def go(self):
        (self.side / "go").touch()

    def start(self):
        return check_accepted(self.client.start(DOCUMENT), of_retry=False)["run"]["id"]

    def accepted(self):
        """The run's id, or None if the API cannot take it yet."""
        answer = self.client.start(DOCUMENT)
        return check_accepted(answer, of_retry=False)["run"]["id"] if answer.status != 503 else None

    def start_long(self):
        """A run in the middle of its long step."""
        before, run = self.begun(), self.start()
        wait_for("the long step has begun", lambda: self.begun() > before)
        return run

    # --- while it lasts ---

    def programs(self):
        return [self.stack.api, *self.stack.workers]

    @contextlib.contextmanager
    def trouble(self):
        """Around a trouble, its healing included: /livez is quick, the logs stay short, no program ends."""
        before = {p: len(p.log_text().splitlines()) for p in self.programs()}
        pulse = Pulse(self.stack.port)
        pulse.start()
        try:
            yield
        finally:
            pulse.stop()
        self.assertEqual(pulse.wrong, [])
        self.assertLess(pulse.slowest, ALIVE, "/livez was slow")
        for program, lines in before.items():
            self.assertTrue(program.alive(), f"{program.name} has ended")
            said = [line for line in program.log_text().splitlines()[lines:] if '"event":"run_ended"' not in line]
            self.assertLess(len(said), MOST_LINES, f"{program.name} says too much: {said[:20]}")

    def refused(self, call, within=None):
        """503 with a documented code and Retry-After, in bounded time."""
        began = time.monotonic()
        answer = call()
        took = time.monotonic() - began
        self.assertEqual(answer.status, 503, answer)
        check_error(answer, 503, answer.json["error"])
        self.assertIn(answer.json["error"], UNAVAILABLE)
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        self.assertLess(took, within or self.answered, answer)
        return answer.json["error"]

    def all_refused(self, *calls, within=None):
        """The same of calls that are made at once, each (method, path, body) on a connection of its own."""
        def one(call):
            api = Api(self.stack.port, self.client.key)
            try:
                return self.refused(lambda: api.call(*call), within)
            finally:
                api.close()
        with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
            self.assertEqual(set(pool.map(one, calls)), {"redis_unavailable"})

    def remember_key(self):
        """On every thread of the API: calls then go straight to what they ask of Redis."""
        for _ in range(16):  # the system spreads connections over the threads
            self.assertEqual(Api(self.stack.port, self.client.key).get("/api/projects").status, 200)

    def calls_of_every_kind(self, run):
        """One that is refused may be carried out all the same, as soon as Redis can; so the cancel is of no run."""
        start = ("POST", "/api/reports/start", {"openapiText": DOCUMENT})
        return [start, ("POST", f"/api/runs/{run}/retry", {}),
                ("POST", f"/api/runs/{another_id(run)}/cancel", {}), ("GET", f"/api/runs/{run}"),
                ("GET", "/api/runs"),
                ("GET", "/api/projects"), ("GET", f"/api/artifacts/download?runId={run}&key=input.openapi")]

    def refuses_to_start(self, within=None):
        self.assertEqual(self.refused(lambda: self.client.start(DOCUMENT), within), "redis_unavailable")

    def not_ready(self, within=None):
        began = time.monotonic()
        answer = Api(self.stack.port).get("/readyz")
        self.assertLess(time.monotonic() - began, within or self.answered)
        self.assertEqual((answer.status, answer.json["status"]), (503, "not_ready"), answer)
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        return answer.json["reason"]

    # --- Redis itself ---

    def loaded(self):
        try:
            return self.stack.redis.call("PING") == "PONG"
        except RedisError:
            return False

    def persistence(self):
        return self.stack.redis.call("INFO", "persistence")

    def launch_redis(self, *more):
        """Redis again, on the data that it left. It may still be loading."""
        pathlib.Path(self.stack.socket).unlink(missing_ok=True)
        self.stack.redis_process = self.stack.launch("redis", [*self.stack.redis_process.child.args, *more])
        self.stack.redis.close()
        self.stack.redis = self.stack.redis_client()

    def redis_is_back(self, *more):
        self.launch_redis(*more)
        wait_for("Redis has loaded", self.loaded)
        self.heal()

    # --- afterwards ---

    def heal(self):
        """To be called when the trouble has been ended: from now on everything has BACK seconds."""
        self.healed = time.monotonic()

    def left(self):
        return max(0.0, self.healed + BACK - time.monotonic())

    def comes_back(self, in_hand=()):
        """Within the time allowed the API is ready, takes a run, and a worker ends it and what was in hand."""
        wait_for("ready again", lambda: Api(self.stack.port).get("/readyz").status == 200, self.left())
        self.go()
        # Each thread of the API has a connection of its own, which may come back a little later.
        accepted = wait_for("a start is accepted", self.accepted, self.left())
        for run in (accepted, *in_hand):
            self.stack.wait_status(run, "complete", seconds=self.left())
        return self.everything_ended()

    def everything_ended(self, seconds=BACK):
        """Every run that Redis knows is complete, by one ending, and cost no lost lease; answers the hashes by id."""
        stats = self.stack.stats
        wait_for("nothing is left to do", lambda: stats().get("queued") == 0 and stats().get("running") == 0, seconds)
        events = {}
        for _, flat in self.stack.redis.call("XRANGE", P0 + "events", "-", "+"):
            event = dict(zip(flat[::2], flat[1::2]))
            events.setdefault(event["run"], []).append(event)
        runs = {run: self.stack.run_hash(run) for run in self.stack.redis.call("ZRANGE", P0 + "runs:acme", 0, -1)}
        for run, record in runs.items():
            self.assertEqual((record["status"], record.get("lost", "0")), ("complete", "0"), record)
            ends = [e["type"] for e in events[run] if e["type"] in {"run." + status for status in ENDED}]
            self.assertEqual(ends, ["run.complete"], record["history"])
            self.assertEqual(events[run][-1]["type"], ends[0], "something happened after the end")
            self.assertEqual([int(e["seq"]) for e in events[run]], list(range(1, len(events[run]) + 1)))
        for key in ("leases", "queued", "delayed"):
            self.assertEqual(self.stack.redis.call("ZCARD", P0 + key), 0)
        for stream in ("default", "again"):
            self.assertEqual(self.stack.redis.call("XPENDING", f"{P0}queue:{stream}", "workers")[0], 0)
        self.assertEqual(json.loads(self.stack.admin("doctor", "--json"))["findings"], [])
        return runs

    def undisturbed(self, run):
        """The worker held it through the trouble: one claim, one try."""
        record = self.stack.run_hash(run)
        self.assertEqual(len(re.findall(r" running ", record["history"])), 1, record["history"])
        seen = self.client.get(f"/api/runs/{run}").json
        check_run(seen)
        self.assertEqual([(s["status"], s["attempt"]) for s in seen["steps"]], [("completed", 1)] * 3)
        self.assertEqual(self.client.get(f"/api/artifacts/download?runId={run}&key=a.txt").body, b"made\n")
