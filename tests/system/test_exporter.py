"""prometheus-redis-exporter and KEDA's formulas say what Reprise says, at every moment of a busy time: bursts, cancels, delays,
blocked and held runs, a killed worker."""
import random
import re
import threading
import time
import unittest

from client import Api
from contract import check_accepted
from pipelines import DOCUMENT, VERIFY, pipelines, shell
from resp import pairs
from stack import P0, ROOT, USERS, StackTest
from watchers import STREAMS, Exporter, Keda

BUSY = 24            # seconds
FROZEN = 4000        # ms at most
PAUSED_PROJECT = "Apart"


class Busy(StackTest):
    options = {
        "workers": 0, "concurrency": 8, "serve": ("--rate", 0), "settings": ("--lease", 3000, "--beat", 500, "--sweep", 200),
        "pipelines": pipelines(
            VERIFY,
            # The directory's name holds the run and its epoch: some are put off, some take longer.
            shell("short", 'case "$HOME" in *[0-3]-1-*) exit 75;; *[a-m]-1-*) sleep 0.4;; esac', attempts=3),
            tools={"absent": "/nowhere"}, stainless_compatible=[VERIFY, {"name": "b", "tool": "absent", "argv": ["true"]}])}

    @classmethod
    def prepare(cls):
        stack = cls.stack
        tool = stack.dir / "side/absent"
        stack.pipelines.write_text(stack.pipelines.read_text().replace("/nowhere", str(tool)))
        for _ in range(2):
            stack.start_worker()
        cls.client, cls.operator = stack.client(), stack.client("*", "ops:read,ops:write")
        cls.plain = cls.ids(cls.client.start(DOCUMENT))
        cls.needing = cls.ids(cls.client.start(DOCUMENT, mode="stainless_compatible", configText="a: 1"))
        cls.apart = cls.ids(cls.client.start(DOCUMENT, projectName=PAUSED_PROJECT))
        cls.project = stack.run_hash(cls.apart)["project"]
        password = (stack.dir / "users" / USERS["monitor"]).read_text().strip()
        cls.exporter, cls.keda = Exporter(stack, password), Keda(stack, password)
        cls.addClassCleanup(cls.exporter.close)
        cls.addClassCleanup(cls.keda.close)
        stack.denies = True  # what the exporter asks for beyond the page; compared below
        cls.over, cls.wrong, cls.samples, cls.failures, cls.asked = threading.Event(), [], [], [], 0
        load = threading.Thread(target=cls.load, daemon=True)
        load.start()
        ends = time.monotonic() + BUSY
        acts = {BUSY * 0.2: lambda: cls.pause("pause"), BUSY * 0.4: cls.kill_and_replace, BUSY * 0.6: lambda: cls.pause("resume"),
                BUSY * 0.8: tool.touch}
        began = time.monotonic()
        while time.monotonic() < ends:
            while acts and time.monotonic() - began > min(acts):
                acts.pop(min(acts))()
            cls.sample()
            time.sleep(0.05)
        cls.over.set()
        load.join(30)
        assert not load.is_alive() and not acts

    @staticmethod
    def ids(answer, of_retry=False):
        return check_accepted(answer, of_retry=of_retry)["run"]["id"]

    @classmethod
    def pause(cls, what):
        answer = cls.operator.post(f"/api/queue/{what}", {"projectId": cls.project})
        assert answer.status == 200, answer

    @classmethod
    def kill_and_replace(cls):
        cls.stack.kill_worker(cls.stack.workers[0])
        cls.stack.start_worker()

    @classmethod
    def load(cls):
        """Bursts of retries, with pauses in between; some runs are canceled where they wait, or while they run."""
        try:
            dice, client = random.Random(7), Api(cls.stack.port, cls.client.key)
            redis = cls.stack.redis_client()
            while not cls.over.is_set():
                for _ in range(dice.randrange(5, 60)):
                    run = cls.ids(client.retry(dice.choices((cls.plain, cls.needing, cls.apart), (8, 1, 1))[0]), of_retry=True)
                    if dice.random() < 0.15:
                        client.post(f"/api/runs/{run}/cancel")
                for zset in ("leases", "delayed", "blocked", f"held:project:{cls.project}"):
                    if run := redis.call("ZRANDMEMBER", P0 + zset):
                        client.post(f"/api/runs/{run}/cancel")
                cls.over.wait(dice.random())
            redis.close()
        except Exception as error:  # a thread's failure would pass unseen
            cls.failures.append(repr(error))

    @classmethod
    def sample(cls):
        """One moment: while Redis lets nobody write, all are asked."""
        redis = cls.stack.redis
        redis.call("CLIENT", "PAUSE", FROZEN, "WRITE")
        try:
            began = time.monotonic()
            ours = cls.ours()
            theirs = cls.exporter.scrape()
            keda = {stream: (cls.keda.lag(stream), cls.keda.pending(stream)) for stream in STREAMS}
            if time.monotonic() - began > FROZEN / 1000 - 0.5:
                return  # may have thawed
        finally:
            redis.call("CLIENT", "UNPAUSE")
        cls.samples.append(ours)
        cls.compare(ours, theirs, keda)
        # The API's connection waits behind a write of its own, so it is asked in between, and its answer counts when nothing
        # has changed meanwhile.
        told, before, answer = cls.last_event(), cls.ours(), cls.operator.get("/api/queue")
        if before == cls.ours() and told == cls.last_event():
            cls.asked += 1
            cls.wrong += [("api", name, answer, before) for name in ("queued", "running", "blocked", "delayed", "held")
                          if answer.json[name] != before[name]]

    @classmethod
    def last_event(cls):
        return pairs(cls.stack.redis.call("XINFO", "STREAM", P0 + "events"))["last-generated-id"]

    @classmethod
    def ours(cls):
        stats = cls.stack.stats()
        gauges = {name: stats.get(name, 0) for name in ("queued", "running", "blocked", "held", "ghosts")}
        return {**gauges, "delayed": cls.stack.redis.call("ZCARD", P0 + "delayed")}

    @classmethod
    def compare(cls, ours, theirs, keda):
        lag = ours["queued"] - ours["delayed"] - ours["held"] + ours["ghosts"]
        said = {("exporter", ours_name): theirs.get(("redis_key_size", key), 0) for ours_name, key in
                (("queued", "queued"), ("running", "leases"), ("blocked", "blocked"), ("delayed", "delayed"))}
        said["exporter", "running", "pending"] = sum(theirs["redis_stream_group_messages_pending", s] for s in STREAMS)
        if ("redis_stream_group_lag", STREAMS[0]) in theirs:  # from 1.52 on
            said["exporter", "lag"] = sum(theirs["redis_stream_group_lag", s] for s in STREAMS)
        said["keda", "lag"] = sum(keda[s][0] for s in STREAMS)
        said["keda", "running"] = sum(keda[s][1] for s in STREAMS)
        truth = {**ours, "lag": lag}
        cls.wrong += [(len(cls.samples), who, value, truth) for who, value in said.items() if value != truth[who[1]]]

    def test_they_say_the_same_at_every_moment(self):
        self.assertEqual(self.failures, [])
        self.assertEqual(self.wrong[:5], [])
        most = {name: max(sample[name] for sample in self.samples) for name in self.samples[0]}
        print(f"{len(self.samples)} samples, {self.asked} of the API, in {BUSY} s; most at once: {most}", flush=True)
        self.assertGreater(len(self.samples), BUSY * 2)
        self.assertGreater(self.asked, BUSY / 2)
        for name, value in most.items():
            self.assertGreater(value, 0, name)

    def test_the_example_for_keda_names_streams_and_groups_that_there_are(self):
        text = (ROOT / "scripts/deploy/monitoring/keda.yaml").read_text()
        named = set(zip(re.findall(r"stream: \"(.*)\"", text), re.findall(r"consumerGroup: (.*)", text)))
        self.assertEqual(named, {(P0 + stream, "workers") for stream in STREAMS})
        for stream, group in named:
            self.assertIn(group, [pairs(g)["name"] for g in self.stack.redis.call("XINFO", "GROUPS", stream)])

    def test_the_exporter_is_denied_only_what_the_page_says(self):
        denials = [pairs(entry) for entry in self.stack.redis.call("ACL", "LOG")]
        self.assertLessEqual({(d["username"], d["object"]) for d in denials}, {(USERS["monitor"], "slowlog|get")})
        for process in self.stack.processes:
            self.assertNotIn("NOPERM", process.log_text())


if __name__ == "__main__":
    unittest.main()
