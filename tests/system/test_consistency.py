"""What Redis says about runs agrees with itself at every moment, and nobody but the functions writes it."""
import concurrent.futures
import hashlib
import re
import threading
import time
import unittest

from client import Api
from contract import check_accepted
from pipelines import DOCUMENT, NOOP, VERIFY, pipelines, shell
from resp import pairs
from stack import ENDED, P0, StackTest, wait_for

FIELDS = ("status", "where", "stream", "ticket", "worker", "epoch")
STREAMS = ("default", "again")
WORD = re.compile(r'"((?:[^"\\]|\\.)*)"')


def number(entry_id):
    return tuple(int(part) for part in entry_id.split("-"))


class Sampler(threading.Thread):
    """Looks at everything in one MULTI every 10 ms, and keeps what does not agree."""

    def __init__(self, stack):
        super().__init__(daemon=True)
        self.redis, self.ids, self.samples, self.wrong, self.seen = stack.redis_client(), [], 0, [], set()
        self.over = threading.Event()

    def run(self):
        try:
            while not self.over.is_set():
                began = time.monotonic()
                if self.look():
                    self.over.wait(max(0.0, 0.01 - (time.monotonic() - began)))
        except Exception as error:  # a thread's failure would pass unseen
            self.wrong.append(f"the sampler failed: {error!r}")

    def look(self):
        sets = ("leases", "queued", "delayed", "blocked", "blocked:absent")
        commands = [("ZRANGE", P0 + "runs:acme", 0, -1), ("HGETALL", P0 + "stats")]
        commands += [("ZRANGE", P0 + name, 0, -1) for name in sets]
        for stream in STREAMS:
            key = f"{P0}queue:{stream}"
            commands += [("XPENDING", key, "workers", "-", "+", 10000), ("XINFO", "GROUPS", key)]
        answers = self.redis.transaction(commands + [("HMGET", f"{P0}run:{run}", *FIELDS) for run in self.ids])
        if answers[0] != self.ids:
            self.ids = answers[0]  # runs were accepted since the last look: once more, with them
            return False
        self.samples += 1
        runs = {run: dict(zip(FIELDS, values)) for run, values in zip(self.ids, answers[11:])}
        groups = {}
        for stream, groups_of in (("default", answers[8]), ("again", answers[10])):
            groups[stream] = next(g for g in map(pairs, groups_of) if g["name"] == "workers")
        pending = {(stream, e[0]): e[1] for stream, entries in (("default", answers[7]), ("again", answers[9])) for e in entries}
        self.compare(runs, {k: int(v) for k, v in pairs(answers[1]).items() if k != "schema"},
                     {name: set(found) for name, found in zip(sets, answers[2:7])}, pending, groups)
        return True

    def expect(self, what, left, right):
        if left != right and len(self.wrong) < 20:
            self.wrong.append(f"sample {self.samples}: {what}: {left} and {right}")

    def compare(self, runs, stats, sets, pending, groups):
        of = {status: {r for r, f in runs.items() if f["status"] == status} for status in
              ("queued", "running", "blocked", *ENDED)}
        self.seen |= {(f["status"], f["where"]) for f in runs.values()}
        where = {place: {r for r, f in runs.items() if f["where"] == place} for place in ("stream", "delayed", "parked", "")}
        self.expect("running and leases", of["running"], sets["leases"])
        self.expect("queued and its index", of["queued"], sets["queued"])
        self.expect("blocked and its index", of["blocked"], sets["blocked"])
        self.expect("blocked and the index of the tool", of["blocked"], sets["blocked:absent"])
        self.expect("delayed and its index", where["delayed"], sets["delayed"])
        self.expect("queued and the places of queued runs", of["queued"], where["stream"] | where["delayed"])
        self.expect("blocked and parked", of["blocked"], where["parked"])
        self.expect("running and pending, each with its worker",
                    {(runs[r]["stream"], runs[r]["ticket"]): runs[r]["worker"] for r in of["running"]}, pending)
        for run in where["stream"]:
            fields = runs[run]
            last = groups[fields["stream"]]["last-delivered-id"]
            if number(fields["ticket"]) <= number(last):
                self.expect(f"the ticket of {run} is still to be delivered", fields["ticket"], "> " + last)
        for status in ("queued", "running", "blocked", *ENDED):
            self.expect(f"stats of {status}", stats.get(status, 0), len(of[status]))
        self.expect("accepted runs", stats.get("accepted", 0), len(runs))
        lags = [groups[stream]["lag"] for stream in STREAMS]
        if None in lags:
            self.expect("lag", lags, "known")
        else:
            self.expect("lag, and queued in streams with ghosts", sum(lags), len(where["stream"]) + stats.get("ghosts", 0))


class Monitor(threading.Thread):
    """Every command that Redis carries out: (source, words)."""

    def __init__(self, stack):
        super().__init__(daemon=True)
        self.redis, self.lines = stack.redis_client(), []
        self.redis.call("MONITOR")

    def run(self):
        try:
            while True:
                self.lines.append(self.redis.read())
        except (OSError, ValueError):
            pass

    def commands(self):
        for line in self.lines:
            source = line[line.index("[") + 1:line.index("]")].split(" ", 1)[1]
            yield source, [word.replace('\\"', '"') for word in WORD.findall(line[line.index("]"):])]


class Consistency(StackTest):
    options = {
        "pipelines": pipelines(
            VERIFY, shell("short", "sleep 0.03; echo x >a", artifacts=[{"key": "a", "path": "a"}]),
            # The directory's name holds the run and its epoch: some runs are tried again, after a delay.
            shell("again", 'case "$HOME" in *[0-7]-1-*) exit 75;; esac', attempts=3), NOOP,
            tools={"absent": "/nowhere"}, stainless_compatible=[VERIFY, {"name": "blocked", "tool": "absent", "argv": ["true"]}]),
        "concurrency": 2, "workers": 0,
        "settings": ("--lease", 1500, "--beat", 300, "--sweep", 200)}

    @classmethod
    def prepare(cls):
        # MONITOR shows what a function does under the caller's user, so both see the same run.
        tool = cls.stack.dir / "side/absent"
        cls.stack.pipelines.write_text(cls.stack.pipelines.read_text().replace("/nowhere", str(tool)))
        for _ in range(2):
            cls.stack.start_worker()
        cls.client = cls.stack.client()
        cls.monitor, cls.sampler = Monitor(cls.stack), Sampler(cls.stack)
        cls.monitor.start()
        cls.sampler.start()
        cls.runs = cls.work(tool)
        cls.sampler.over.set()
        cls.sampler.join()
        cls.monitored = list(cls.monitor.commands())

    @classmethod
    def work(cls, tool):
        """Fifty runs: started and retried, some blocked, some canceled, and a worker killed among them."""
        client, runs = cls.client, []
        for n in range(10):
            runs.append(check_accepted(client.start(DOCUMENT + " " * n), of_retry=False)["run"]["id"])
        for n in range(4):
            blocked = client.start(DOCUMENT, mode="stainless_compatible", configText=f"a: {n}")
            runs.append(check_accepted(blocked, of_retry=False)["run"]["id"])
        for n in range(36):
            runs.append(check_accepted(client.retry(runs[n % 10]), of_retry=True)["run"]["id"])
            if n % 7 == 0:
                assert client.post(f"/api/runs/{runs[-1]}/cancel").status in (200, 409)
            if n == 20:
                cls.stack.wait_status(runs[12], "blocked", "canceled", seconds=20)
                assert client.post(f"/api/runs/{runs[12]}/cancel").status == 200
                cls.stack.kill_worker(cls.stack.workers[0])
                cls.stack.start_worker()
        tool.touch()
        for run in runs:
            cls.stack.wait_status(run, seconds=30)
        return runs

    def test_status_lease_ticket_place_and_counters_agree_at_every_sample(self):
        self.assertEqual(len(self.runs), 50)
        self.assertEqual(self.sampler.wrong, [])
        self.assertGreater(self.sampler.samples, 100)
        self.assertLessEqual({("queued", "stream"), ("queued", "delayed"), ("running", ""), ("blocked", "parked"),
                              ("complete", ""), ("canceled", "")}, self.sampler.seen)

    def test_only_functions_write_what_belongs_to_organisations(self):
        redis = self.stack.redis
        writing = {name.upper() for name in redis.call("COMMAND", "LIST", "FILTERBY", "ACLCAT", "write")}
        self.assertIn("XADD", writing)
        by_functions, others = 0, []
        for source, words in self.monitored:
            if words[0].upper() not in writing or not any(word.startswith("reprise:{p") for word in words[1:]):
                continue
            if source == "lua":
                by_functions += 1
            elif words[:3] != ["XREADGROUP", "GROUP", "bell"] or "NOACK" not in words:
                others.append(words)
        self.assertEqual(others, [])
        self.assertGreater(by_functions, 1000)

    def test_the_programs_need_no_more_than_their_users_may(self):
        self.assertEqual(self.stack.denied(), [])
        clients = self.stack.redis.call("CLIENT", "LIST")
        for user in ("reprise-api", "reprise-worker"):
            self.assertIn(f"user={user} ", clients)

    def test_every_run_has_ended_and_nothing_is_left_of_it(self):
        counts = {}
        for run in self.runs:
            status = self.stack.run_hash(run)["status"]
            counts[status] = counts.get(status, 0) + 1
        self.assertEqual(set(counts), {"complete", "canceled"}, counts)
        stats = self.stack.stats()
        self.assertEqual((stats["queued"], stats["running"], stats["blocked"]), (0, 0, 0))
        wait_for("ghosts are gone", lambda: self.stack.stats().get("ghosts", 0) == 0, 5)


class StoredOnce(StackTest):
    options = {"workers": 0, "serve": ("--rate", 0)}
    RETRIES, THREADS = 2000, 4

    def test_two_thousand_retries_of_one_document_store_its_bytes_once(self):
        client = self.stack.client()
        source = check_accepted(client.start(DOCUMENT), of_retry=False)["run"]["id"]
        sha = hashlib.sha256(DOCUMENT.encode()).hexdigest()
        blob = self.stack.dir / "blobs/acme" / sha[:2] / sha
        before = blob.stat()

        def retry_many(count):
            own = Api(self.stack.port, client.key)
            answers = [own.retry(source) for _ in range(count)]
            own.close()
            return [a.json["run"]["id"] for a in answers if a.status == 202]
        with concurrent.futures.ThreadPoolExecutor(self.THREADS) as pool:
            runs = {run for part in pool.map(retry_many, [self.RETRIES // self.THREADS] * self.THREADS) for run in part}
        self.assertEqual(len(runs), self.RETRIES)
        files = [f for f in (self.stack.dir / "blobs").rglob("*") if f.is_file() and not f.name.startswith(".reprise")]
        self.assertEqual(files, [blob])
        after = blob.stat()
        self.assertEqual((after.st_ino, after.st_mtime_ns, after.st_size), (before.st_ino, before.st_mtime_ns, before.st_size))
        self.assertEqual(self.stack.redis.call("ZCARD", P0 + "retained"), 1)
        self.assertEqual(self.stack.stats()["queued"], self.RETRIES + 1)
        self.assertEqual(self.stack.redis.call("ZCARD", f"{P0}retries:{source}"), self.RETRIES)


if __name__ == "__main__":
    unittest.main()
