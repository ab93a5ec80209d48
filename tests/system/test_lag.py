"""XINFO GROUPS can be relied on: lag is what waits in a stream, and pending is what runs, at every moment."""
import random
import signal
import threading
import time
import unittest

from client import Api
from contract import check_accepted
from history import statuses
from persistent import PersistentClient, Tally, at_once, finish, sized, wait_for_acknowledged
from pipelines import DOCUMENT, NOOP, VERIFY, pipelines, shell
from resp import pairs
from stack import P0, StackTest, wait_for

RUNS = sized(1500, 10_000)
CLIENTS, MOST_QUEUED = 4, 300
STREAMS = ("default", "again")
COUNTS = ("lag", "queued", "ghosts", "pending", "listed", "running", "overtaken")

# One moment, recounted from the truth: the run hashes say which ticket counts, the stream says which are undelivered.
# A ticket after the group's position that no queued run names is a ghost. `overtaken`: ended before an earlier one.
LOOK = """
local p, streams, answer = KEYS[1], {}, {}
for _, name in ipairs(ARGV) do streams[name] = { tickets = {}, queued = 0, running = 0 } end
for _, id in ipairs(redis.call('ZRANGE', p .. 'queued', 0, -1)) do
  local v = redis.call('HMGET', p .. 'run:' .. id, 'where', 'stream', 'ticket')
  if v[1] == 'stream' then
    streams[v[2]].tickets[v[3]] = true
    streams[v[2]].queued = streams[v[2]].queued + 1
  end
end
for _, id in ipairs(redis.call('ZRANGE', p .. 'leases', 0, -1)) do
  local name = redis.call('HGET', p .. 'run:' .. id, 'stream')
  streams[name].running = streams[name].running + 1
end
for _, name in ipairs(ARGV) do
  local key, s, group = p .. 'queue:' .. name, streams[name], {}
  for _, found in ipairs(redis.call('XINFO', 'GROUPS', key)) do
    local g = {}
    for i = 1, #found, 2 do g[found[i]] = found[i + 1] end
    if g.name == 'workers' then group = g end
  end
  local ghosts, pending, overtaken = 0, redis.call('XPENDING', key, 'workers'), 0
  for _, entry in ipairs(redis.call('XRANGE', key, '(' .. group['last-delivered-id'], '+')) do
    if not s.tickets[entry[1]] then ghosts = ghosts + 1 end
  end
  if pending[1] > 0 then overtaken = #redis.call('XRANGE', key, pending[2], pending[3]) - pending[1] end
  answer[#answer + 1] = { group.lag, s.queued, ghosts, group.pending, pending[1], s.running, overtaken }
end
return { answer, redis.call('HGET', p .. 'stats', 'ghosts') or '0', redis.call('ZCARD', p .. 'queued'),
  redis.call('ZCARD', p .. 'delayed'), redis.call('HGET', p .. 'stats', 'running') or '0' }
"""


class Sampler(threading.Thread):
    """Looks again and again, and keeps what is not as promised."""

    def __init__(self, stack):
        super().__init__(daemon=True)
        self.redis, self.over = stack.redis_client(), threading.Event()
        self.samples, self.wrong, self.most = 0, [], {name: dict.fromkeys(COUNTS, 0) for name in STREAMS}

    def run(self):
        try:
            script = self.redis.call("SCRIPT", "LOAD", LOOK)
            while not self.over.is_set():
                self.compare(*self.redis.call("EVALSHA_RO", script, 1, P0, *STREAMS))
        except Exception as error:  # a thread's failure would pass unseen
            self.wrong.append(f"the sampler failed: {error!r}")

    def compare(self, streams, ghosts, queued, delayed, running):
        self.samples += 1
        found = {name: dict(zip(COUNTS, counts)) for name, counts in zip(STREAMS, streams)}
        for name, n in found.items():
            self.expect(n["lag"] is not None, name, "lag is known", n)
            self.expect(n["lag"] == n["queued"] + n["ghosts"], name, "lag is what is queued, and ghosts", n)
            self.expect(n["pending"] == n["listed"] == n["running"], name, "pending is what runs", n)
            for count, value in n.items():
                self.most[name][count] = max(self.most[name][count], value or 0)
        every = {count: sum(n[count] or 0 for n in found.values()) for count in COUNTS}
        self.expect(every["ghosts"] == int(ghosts), "all", "ghosts are counted", every, ghosts)
        self.expect(every["running"] == int(running), "all", "running runs are counted", every, running)
        # What a monitor can work out from three cheap commands.
        self.expect(every["lag"] == queued - delayed + int(ghosts), "all", "lag by counters", every, queued, delayed)

    def expect(self, agrees, *what):
        if not agrees and len(self.wrong) < 20:
            self.wrong.append(f"sample {self.samples}: {what}")


class Lag(StackTest):
    options = {
        "workers": 0, "pipelines": pipelines(
            VERIFY, NOOP, stainless_compatible=[
                VERIFY,
                # The directory's name holds the run and its epoch: half are put off once, and come back by `again`;
                # a quarter take longer, so that what was claimed after them ends before them.
                shell("short", 'case "$HOME" in *[0-9a-f]-1-*) exit 75;; */reprise-run_*[g-p]-1-*) sleep 0.3;; esac',
                      attempts=3)])}

    @classmethod
    def prepare(cls):
        for concurrency in (48, 24, 8):
            cls.stack.concurrency = concurrency
            cls.stack.start_worker()
        cls.key, cls.seed = cls.stack.key(), 16
        client = Api(cls.stack.port, cls.key)
        cls.plain = check_accepted(client.start(DOCUMENT), of_retry=False)["run"]["id"]
        cls.short = check_accepted(client.start(DOCUMENT, mode="stainless_compatible", configText="a: 1"),
                                   of_retry=False)["run"]["id"]
        cls.sampler, cls.tally = Sampler(cls.stack), Tally()
        cls.sampler.start()
        began = time.monotonic()
        cls.work()
        cls.sampler.over.set()
        cls.sampler.join()
        cls.took = time.monotonic() - began

    @classmethod
    def work(cls):
        clients = at_once(CLIENTS, cls.retry_and_cancel)
        for part in (0.2, 0.5, 0.8):
            wait_for_acknowledged(cls.tally, part * RUNS, clients, sized(60, 400))
            cls.hold_up_and_cancel(Api(cls.stack.port, cls.key))
        finish(clients, sized(60, 400))
        cls.stack.wait_status(cls.short, seconds=30)
        wait_for("every run has ended", lambda: all(
            cls.stack.stats()[name] == 0 for name in ("queued", "running", "ghosts")), 60)

    @classmethod
    def retry_and_cancel(cls, index):
        """A backlog that does not run dry; every tenth is canceled while it waits, every twentieth while it runs."""
        dice, redis = random.Random(cls.seed + index), cls.stack.redis_client()
        client, other = PersistentClient([cls.stack.port], cls.key, cls.tally), Api(cls.stack.port, cls.key)
        for _ in range(RUNS // CLIENTS):
            run = client.retry(cls.short if dice.random() < 0.15 else cls.plain)
            lot = dice.random()
            if lot < 0.1:
                cancel(other, run)
            elif lot < 0.15:
                cancel(other, redis.call("ZRANDMEMBER", P0 + "leases"))
            elif lot < 0.16:
                cancel(other, redis.call("ZRANDMEMBER", P0 + "delayed"))
            while redis.call("ZCARD", P0 + "queued") > MOST_QUEUED:
                time.sleep(0.005)
        redis.close()

    @classmethod
    def hold_up_and_cancel(cls, client):
        """While no worker takes anything, both streams fill, and some runs are canceled in each."""
        wait_for("some runs will soon be tried again", lambda: cls.soon_due() >= 4)
        for worker in cls.stack.workers:
            worker.signal(signal.SIGSTOP)
        try:
            wait_for("runs wait in both streams",
                     lambda: cls.lag("again") >= 1 and cls.lag("default") > MOST_QUEUED // 2)
            left = {"again": 1, "default": RUNS // 100}
            for run in cls.stack.redis.call("ZREVRANGE", P0 + "queued", 0, -1):
                place = cls.stack.run_hash(run)
                if place["where"] == "stream" and left[place["stream"]] > 0:
                    left[place["stream"]] -= 1
                    cancel(client, run)
        finally:
            for worker in cls.stack.workers:
                worker.signal(signal.SIGCONT)

    @classmethod
    def soon_due(cls):
        now = int(cls.stack.redis.call("TIME")[0])
        return cls.stack.redis.call("ZCOUNT", P0 + "delayed", "-inf", (now + 2) * 1000)

    @classmethod
    def lag(cls, stream):
        groups = map(pairs, cls.stack.redis.call("XINFO", "GROUPS", f"{P0}queue:{stream}"))
        return next(g["lag"] for g in groups if g["name"] == "workers")

    def test_lag_is_what_waits_and_pending_what_runs_at_every_sample(self):
        print(f"seed {self.seed}: {RUNS} runs, {self.sampler.samples} samples in {self.took:.1f} s; most at once: "
              f"{self.sampler.most}", flush=True)
        self.assertEqual(self.sampler.wrong, [])
        self.assertGreater(self.sampler.samples, RUNS / 10)
        most = self.sampler.most
        self.assertGreater(most["default"]["queued"], MOST_QUEUED / 3, "there was no backlog")
        self.assertGreater(most["default"]["overtaken"], 5, "runs ended in the order of their tickets")
        for stream in STREAMS:
            self.assertGreater(most[stream]["ghosts"], 0, f"no run was canceled in {stream}")
            self.assertGreater(most[stream]["pending"], 0)

    def test_runs_were_canceled_in_every_place(self):
        seen = {"queued": 0, "running": 0, "complete": 0}
        for run in self.tally.runs.values():
            path = statuses(self.stack.run_hash(run))
            self.assertIn(path[-1], ("complete", "canceled"))
            seen["complete" if path[-1] == "complete" else path[-2]] += 1
        print(f"canceled while queued {seen['queued']}, while running {seen['running']}; complete {seen['complete']}")
        self.assertEqual(sum(seen.values()), RUNS)
        self.assertGreater(seen["queued"], RUNS / 50)
        self.assertGreater(seen["running"], RUNS / 100)
        self.assertGreater(seen["complete"], RUNS / 2)


def cancel(client, run):
    if run:
        answer = client.post(f"/api/runs/{run}/cancel")
        assert answer.status in (200, 409), answer


if __name__ == "__main__":
    unittest.main()
