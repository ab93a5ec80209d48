"""Every line of scripts/deploy/monitoring/redis.md, as it stands there, given by the monitor's user to a stack that has something of
everything; what it answers is what the API says."""
import os
import re
import subprocess
import time
import unittest

from contract import check_accepted
from pipelines import DOCUMENT, VERIFY, pipelines, shell
from stack import P0, ROOT, USERS, StackTest, wait_for

PAGE = ROOT / "scripts/deploy/monitoring/redis.md"
SETUP = 'r() { redis-cli -s "$SOCKET" --user reprise-monitor "$@"; }\n'


def questions():
    """(question, line) of the page's blocks: a comment, and the line after it."""
    text = PAGE.read_text().partition("## Questions")[2].partition("\n## Keys")[0]
    for block in re.findall(r"```sh\n(.*?)```", text, re.S):
        lines = block.strip().split("\n")
        assert len(lines) % 2 == 0, block
        for said, line in zip(lines[::2], lines[1::2]):
            assert said.startswith("# ") and line.startswith("r "), (said, line)
            yield said[2:].partition(" (")[0].rstrip("?:"), line


class Monitoring(StackTest):
    options = {
        "workers": 0, "concurrency": 2, "settings": ("--lease", 60000, "--beat", 200, "--sweep", 200),
        "pipelines": pipelines(
            VERIFY, shell("work", 'cd "$0"; [ ! -e fail ] || exit 3; [ ! -e later ] || exit 75; while [ -e hold ]; do sleep 0.05; done',
                          attempts=3),
            tools={"absent": "/nowhere"}, stainless_compatible=[VERIFY, {"name": "b", "tool": "absent", "argv": ["true"]}])}

    @classmethod
    def prepare(cls):
        stack, side = cls.stack, cls.stack.dir / "side"
        stack.pipelines.write_text(stack.pipelines.read_text().replace("$0", str(side)))
        cls.worker = stack.start_worker()
        cls.client, cls.operator = stack.client(), stack.client("*", "ops:read,ops:write")
        stack.admin("orgs", "set", "acme", "--runs-per-month", "1000")
        (side / "fail").touch()
        cls.failed = cls.start("failed")
        (side / "fail").unlink()
        (side / "later").touch()
        cls.delayed = cls.start(until=lambda run: run.get("where") == "delayed")
        (side / "later").unlink()
        cls.blocked = cls.start("blocked", mode="stainless_compatible", configText="a: 1")
        cls.source = cls.start("complete")
        cls.retried = check_accepted(cls.client.retry(cls.source), of_retry=True)["run"]["id"]
        stack.wait_status(cls.retried)
        # Its project is paused once its first run has made it.
        apart = cls.start("complete", projectName="Apart")
        project = stack.run_hash(apart)["project"]
        assert cls.operator.post("/api/queue/pause", {"projectId": project, "reason": "for now"}).status == 200
        cls.held = cls.start(until=lambda run: run.get("where") == "held", projectId=project)
        (side / "hold").touch()
        cls.addClassCleanup(lambda: (side / "hold").unlink(missing_ok=True))
        cls.running = [cls.start(until=lambda run: run.get("current") == "work") for _ in range(2)]
        cls.queued = [cls.start("queued") for _ in range(3)]
        cls.canceled = cls.start("queued")
        assert cls.client.post(f"/api/runs/{cls.canceled}/cancel", {"reason": "not needed"}).status == 200
        answer = cls.client.post("/api/bulk", {"of": "failed", "code": "no_such_code", "reason": "none is like this"})
        assert answer.status == 202, answer
        cls.bulk = answer.json["bulk"]["id"]
        cls.code = stack.run_hash(cls.failed)["error"]
        wait_for("a beat that tells of both", lambda: all(run in stack.redis.hash(f"reprise:worker:{cls.worker.id}")["runs"]
                                                          for run in cls.running))

    @classmethod
    def start(cls, status=None, until=None, **fields):
        run = check_accepted(cls.client.start(DOCUMENT, **fields), of_retry=False)["run"]["id"]
        if until:
            wait_for(f"{run} is where it is to be", lambda: until(cls.stack.run_hash(run)))
        else:
            cls.stack.wait_status(run, status)
        return run

    def answer(self, line, **names):
        environment = {**os.environ, "SOCKET": self.stack.socket, "run": self.queued[1], "canceled": self.canceled, "code": self.code, "bulk": self.bulk,
                       "failed": self.failed, "source": self.source, "worker": self.worker.id, "org": "acme", "tool": "absent",
                       "time": str(int(time.time() * 1000)), **names,
                       "REDISCLI_AUTH": (self.stack.dir / "users" / USERS["monitor"]).read_text().strip()}
        done = subprocess.run(["sh", "-c", SETUP + line], env=environment, capture_output=True, text=True, timeout=20, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""), line)
        self.assertNotRegex(done.stdout, r"^(\(error\)|ERR|NOPERM|NOAUTH|WRONGTYPE)", line)
        return done.stdout.removesuffix("\n").split("\n")

    # --- the truth, mostly from the API ---

    def of_queue(self, *names):
        answer = self.operator.get("/api/queue").json
        return [str(answer[name]) for name in names]

    def counts(self, *names):
        return [str(self.operator.get("/api/overview").json["runs"][name]) for name in names]

    def stat(self, *names):
        return [self.stack.redis.hash(P0 + "stats").get(name, "") for name in names]

    def runs_with(self, **query):
        words = "&".join(f"{name}={value}" for name, value in query.items())
        return [run["id"] for run in self.client.get("/api/runs?" + words).json["runs"]]

    def facts_of_worker(self):
        [one] = self.operator.get("/api/workers").json["workers"]
        return one

    def first(self, zset):
        return self.stack.redis.call("ZRANGE", P0 + zset, 0, 0, "WITHSCORES")

    def lag(self, stream):
        """Unread, by what the streams and the runs say."""
        return str(sum(self.stack.run_hash(run).get("stream") == stream and self.stack.run_hash(run)["where"] == "stream"
                       for run in self.stack.redis.call("ZRANGE", P0 + "queued", 0, -1)) + (stream == "default"))

    def expected(self):
        """Question -> what its answer must be: the lines, or something that says whether they will do."""
        redis, me = self.stack.redis, self.facts_of_worker()
        dead = self.client.get("/api/dead").json
        return {
            "How many runs are queued": self.of_queue("queued"),
            "How many are running": self.of_queue("running"),
            "How many are blocked, because a tool is missing": self.of_queue("blocked"),
            "How many are blocked for want of this tool": [str(self.operator.get("/api/queue").json["blockedTools"]["absent"])],
            "How many of the queued wait for a time, after a failure that is to be tried again": self.of_queue("delayed"),
            "How many were set aside by a pause": self.of_queue("held"),
            "How many dead letters has an organisation: runs given up on, and not retried since": [str(len(dead["dead"]))],
            "How many ended runs are kept, by how they ended": [n if n != "0" else "" for n in self.counts(
                "ready", "complete", "failed", "canceled", "expired")],
            "How many were ever accepted, claimed, ended, and ended as failed":
                lambda a: a == self.stat("accepted", "claims", "ended", "ended_failed") and a[0] == "13" and a[2:] == ["5", "1"],
            "How many runs has an organisation with this status": [str(len(self.runs_with(status="failed")))],
            "How many runs of its monthly quota has an organisation used, and of how many": ["13", "1000"],
            "Which run was queued first, and when": self.first("queued"),
            "What time is it for Redis": lambda a: abs(int(a[0]) - time.time()) < 5,
            "How many runs were queued before this time": self.of_queue("queued"),
            "When does the next delayed run become due": self.first("delayed") or [""],
            "Which lease ends first": lambda a: a[0] in self.running and float(a[1]) > time.time() * 1000,
            "What was it like in the last minute": lambda a: re.fullmatch(r"\d+( \d+){13}", a[4]) and a[1] == "at",
            "What is paused, since when, by whom and why": lambda a: a[0].startswith("project:") and a[1].endswith(" for now") and len(a) == 2,
            "When did anyone sweep last": lambda a: time.time() * 1000 - int(a[0]) < 5000,
            "Which workers gave a sign of life last, and when": lambda a: a[0] == me["id"] and time.time() * 1000 - float(a[1]) < 5000,
            "Is this worker alive": ["1"],
            "What is it, and how busy": lambda a: a[0] == me["host"] and a[1:3] == [str(me["pid"]), me["version"]] and
                a[3:6] == [me["state"], str(me["slots"]), str(me["busy"])] and a[5] == "2" and set(a[6].split()) == set(me["modes"]),
            "Which runs does it hold, and in which step": lambda a: sorted(filter(None, a)) == sorted(f"{run} work" for run in self.running),
            "Which tickets has it taken and not done, by the ordinary stream, at this moment":
                lambda a: {self.stack.run_hash(run)["ticket"] for run in self.running if self.stack.run_hash(run)["stream"] == "default"}
                <= set(a),
            "In which state is it, where does it wait, who works on it, and on which step": lambda a: a[:2] == ["queued", "stream"],
            "Is it queued, and how many were queued before it": [str(redis.call("ZRANGE", P0 + "queued", 0, -1).index(self.queued[1]))],
            "What has become of it: number, time, status and who, for each transition":
                lambda a: a[1:] == [""] and re.fullmatch(r"1 \d{13} queued \S+", a[0]),
            "Who canceled it": lambda a: a[0] == self.canceler() and a[0],
            "Why did it fail": lambda a: a[0] == self.code and a[1] == "work",
            "Which runs are retries of it": self.runs_with(sourceRunId=self.source),
            "How often has it lost its worker": [""],
            "What was given up on last": lambda a: self.failed in a and self.code in a,
            "What failed how often today, and which run last": lambda a: a[:2] == [f"n work {self.code}", "1"] and a[3].endswith(self.failed),
            "Which runs failed with this code": self.runs_with(error=self.code),
            "Who did what last: pauses, orders to workers, keys": lambda a: {"bulk_retry", "pause"} <= set(a),
            "Who canceled what last": lambda a: {"cancel", self.canceled} <= set(a),
            "Which bulk retries has an organisation had, the last first": [self.bulk],
            "How far has one come": [str(self.bulk_now()[name]) for name in ("state", "matched", "retried", "refused")],
            "How many leases were lost and their runs recovered, and how many runs given up on": ["", "1"],
            "Which runs of an organisation failed last": self.runs_with(status="failed"),
            "How many writes of workers that had lost their run were refused, and how many after a cancel":
                self.stat("fenced", "fenced_canceled"),
            "Which was refused last": [""],
            "What happened last, of all": lambda a: a.count("run") == 10,
            "Is the append-only file on, and was it written the last time":
                lambda a: "aof_enabled:1" in "".join(a) and "aof_last_write_status:ok" in "".join(a),
            "May Redis forget keys": lambda a: a[0].strip() == "maxmemory_policy:noeviction",
            "How near is it to its memory's end": lambda a: len(a) == 2,
            "Has it forgotten keys": lambda a: a[0].strip() == "evicted_keys:0",
            "Which schema, how many partitions": ["1", "1"],
            "How many tickets has nobody taken, in the ordinary stream": [self.lag("default")],
            "And in the stream that is read first: recovered, released, unblocked runs": lambda a: a[0].isdigit(),
            "How many tickets are taken and not done, in the ordinary stream": lambda a: int(a[0]) <= 2,
            "How many tickets lead nowhere": ["1"],
        }

    def bulk_now(self):
        return self.client.get(f"/api/bulk/{self.bulk}").json["bulk"]

    def canceler(self):
        return next(e["by"] for e in self.client.get(f"/api/runs/{self.canceled}/history").json["events"] if e["type"] == "run.canceled")

    def test_every_line_answers_its_question(self):
        lines = dict(questions())
        self.assertEqual(set(lines), set(self.expected()))
        for question, line in lines.items():
            with self.subTest(question):
                for tries in range(20):  # a delayed run may move in between
                    wanted, found = self.expected()[question], self.answer(line)
                    if wanted(found) if callable(wanted) else found == wanted:
                        break
                    time.sleep(0.1)
                else:
                    self.fail(f"{line}\nanswered {found}, not {wanted}")

    def test_the_table_of_keys_is_what_there_is(self):
        """Every key in Redis is in the table, but for those that the page calls nobody's business."""
        table = PAGE.read_text().partition("\n## Keys")[2].partition("\n## ")[0]
        patterns = []
        for row in re.findall(r"^\| (`reprise:.*?) \|", table, re.M):
            names = re.findall(r"`([^`]+)`", row)
            stem = names[0]
            for name in names:
                full = name if name.startswith("reprise:") else self.beside(stem, name)
                patterns.append(re.sub(r"<\w+>", "[^:]+", re.escape(full).replace("<what>", ".+")).replace("pK", "p0"))
        own = re.compile(r"reprise:(key:.*|keys|\{p0\}:(idem:.*|pinned|probe|tidied|holds|bulks))")
        unknown = [key for key in self.stack.redis.call("KEYS", "*")
                   if not own.fullmatch(key) and not any(re.fullmatch(pattern, key) for pattern in patterns)]
        self.assertEqual(unknown, [])

    @staticmethod
    def beside(stem, name):
        """`:queue:again` beside `reprise:{pK}:queue:default`."""
        return ("reprise:{pK}" if stem.startswith("reprise:{pK}") else "reprise") + name

    def test_the_monitor_was_denied_nothing(self):
        self.assertEqual(self.stack.denied(), [])


if __name__ == "__main__":
    unittest.main()
