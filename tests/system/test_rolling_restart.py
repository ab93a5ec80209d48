"""Every process but Redis is restarted, one after the other and twice over, while clients start and retry runs:
nothing acknowledged is lost, no attempt is used up, and no run waits longer than a second or two because of it."""
import collections
import http.client
import random
import signal
import time
import unittest

from contract import check_accepted, check_run
from client import Api
from history import endings, transitions
from persistent import PersistentClient, Tally, at_once, finish, kind_of, sized, wait_for_acknowledged
from pipelines import DOCUMENT, NOOP, VERIFY, pipelines, shell
from stack import BIN, P0, StackTest

CLIENTS, RATE = sized(4, 12), sized(12, 20)  # calls in a second, by all clients together
PRESSED = sized(10, 50)  # runs accepted between two restarts
WORKERS, ROUNDS = 3, 2
LONGEST_DELAY = 4.0  # seconds; one or two, on a host that does nothing else
# The name of the step's directory holds the run (.../reprise-RUN-EPOCH-RANDOM/...), so that what takes long does so
# again. An eighth of the runs is longer than a worker may take to drain: these are handed back.
STEPS = pipelines(VERIFY, shell("short", 'case "$HOME" in *[0-9]-*-??????/*) sleep 0.3;; esac; echo made >a',
                                artifacts=[{"key": "a.txt", "path": "a"}]),
                  shell("long", 'case "$HOME" in *[0-3]-*-??????/*) sleep 2.5;; *) sleep 0.1;; esac'), NOOP)


class RollingRestart(StackTest):
    options = {"pipelines": STEPS, "workers": 0, "concurrency": 16}

    @classmethod
    def prepare(cls):
        stack = cls.stack
        second = cls.launch_api("api-2", 0)
        cls.apis, cls.ports = [stack.api, second], [stack.port, int(second.wait_log("serving")["port"])]
        for _ in range(WORKERS):
            stack.start_worker("--drain", "1")
        cls.key, cls.tally, cls.answers, cls.over = stack.key(), Tally(), [], False
        cls.source = check_accepted(Api(stack.port, cls.key).start(DOCUMENT), of_retry=False)["run"]["id"]
        cls.seed = random.randrange(2**32)
        cls.knocks = collections.Counter()
        clients = at_once(CLIENTS, cls.press) + at_once(len(cls.ports), cls.knock)
        try:
            cls.steps = [step for _ in range(ROUNDS) for step in cls.restart_everything(clients)]
        finally:
            cls.over = True
            finish(clients, 70)
        cls.runs = {run: stack.wait_status(run, seconds=30) for run in cls.tally.runs.values()}

    @classmethod
    def launch_api(cls, name, port):
        api = cls.stack.launch(name, [BIN / "reprise-api", "serve", "--listen", f"127.0.0.1:{port}",
                                      *cls.stack.common("api")])
        cls.addClassCleanup(api.stop)
        return api

    # --- the load ---

    @classmethod
    def press(cls, index):
        """Starts and retries at a pace that two of three workers stand; half of the clients keep their connection."""
        dice, ports = random.Random(cls.seed + index), cls.ports[index % 2:] + cls.ports[:index % 2]
        client = PersistentClient(ports, cls.key, cls.tally)
        while not cls.over:
            if dice.random() < 0.5:
                client.start(DOCUMENT + " " * dice.randrange(20))
            else:
                client.retry(cls.source)
            if index % 4 > 1:
                client.close()
            time.sleep(dice.uniform(0, 2 * CLIENTS / RATE))
        client.close()

    @classmethod
    def knock(cls, index):
        """One connection after the other: refused when nobody listens, but reset only when it was let in too late."""
        client = Api(cls.ports[index], cls.key)
        while not cls.over:
            try:
                answer = client.get("/api/projects")
                assert answer.status == 200 or (answer.status == 503 and "Retry-After" in answer.headers), answer
                cls.knocks["answered"] += 1
            except (OSError, http.client.HTTPException) as error:
                cls.knocks[kind_of(error, kept=False)] += 1
            client.close()
            time.sleep(0.002)

    # --- the restarts ---

    @classmethod
    def restart_everything(cls, clients):
        """First one API, then the workers, then the other API; answers what each step was and how long it took."""
        for name, restart in [("api-1", lambda: cls.restart_api(0)),
                              *[(f"worker {n}", lambda n=n: cls.restart_worker(n)) for n in range(WORKERS)],
                              ("api-2", lambda: cls.restart_api(1))]:
            before, began = cls.tally.count(), time.monotonic()
            restart()
            wait_for_acknowledged(cls.tally, before + PRESSED, clients)
            yield f"{name} {time.monotonic() - began:.1f} s"

    @classmethod
    def restart_api(cls, index):
        status = cls.apis[index].stop()
        assert status == 0, f"the API ended with {status}"
        cls.apis[index] = cls.launch_api(f"api-{index + 1}-again-{len(cls.stack.processes)}", cls.ports[index])
        cls.apis[index].wait_log("serving")
        if index == 0:
            cls.stack.api = cls.apis[0]

    @classmethod
    def restart_worker(cls, index):
        worker = cls.stack.workers.pop(0)
        worker.signal(signal.SIGTERM)
        status = worker.child.wait(10)
        assert status == 0, f"a worker ended with {status}"
        cls.stack.start_worker("--drain", "1")

    # --- what is seen afterwards ---

    def test_no_acknowledged_run_is_lost_and_none_is_there_that_was_not_asked_for(self):
        print(f"\nseed {self.seed}: {self.tally}\nconnections made anew: {dict(self.knocks)}\n"
              f"steps: {', '.join(self.steps)}", flush=True)
        self.assertEqual(len(self.steps), ROUNDS * (WORKERS + 2))
        # One may come in between the last look at the accept queue and the close: TCP leaves no way to avoid it.
        self.assertLessEqual(self.knocks["reset"], 3)
        self.assertGreater(len(self.runs), 50)
        self.assertEqual(len(set(self.tally.runs.values())), len(self.tally.runs), "two keys, one run")
        known = set(self.stack.redis.call("ZRANGE", P0 + "runs:acme", 0, -1))
        self.assertEqual(known, set(self.runs) | {self.source})

    def test_every_run_is_complete_and_used_up_no_attempt(self):
        for run, record in self.runs.items():
            self.assertEqual((record["status"], record.get("lost", "0")), ("complete", "0"), run)
        client = Api(self.ports[0], self.key)
        for run in self.runs:
            seen = client.get(f"/api/runs/{run}").json
            check_run(seen)
            self.assertEqual([(s["status"], s["attempt"]) for s in seen["steps"]], [("completed", 1)] * 4, run)
        stats = self.stack.stats()
        self.assertEqual((stats["queued"], stats["running"], stats.get("fenced", 0)), (0, 0, 0))

    def test_no_run_waits_long_to_be_claimed(self):
        first, again = [], []
        for record in self.runs.values():
            path = list(transitions(record))
            for before, after in zip(path, path[1:]):
                if after.status == "running":
                    (first if before is path[0] else again).append((after.at - before.at) / 1000)
        print(f"\n{len(first)} first claims, the latest after {max(first):.2f} s; {len(again)} handed back, "
              f"the latest claimed again after {max(again, default=0):.2f} s", flush=True)
        self.assertGreater(len(again), 3, "nothing was handed back")
        self.assertLess(max(first + again), LONGEST_DELAY)

    def test_every_run_ended_once(self):
        for run, record in self.runs.items():
            self.assertEqual(endings(record), ["complete"], run)


if __name__ == "__main__":
    unittest.main()
