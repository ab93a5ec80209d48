"""What both processes count, held against what was done to them and against what Redis knows: starts, retries, refusals, runs that
fail, are tried again, canceled, and lost by a frozen worker."""
import collections
import json
import re
import signal
import unittest

from pipelines import DOCUMENT, VERIFY, pipelines, shell
from scraping import promtool, scrape
from stack import P0, ROOT, StackTest, wait_for

MONITORING = ROOT / "scripts/deploy/monitoring"
WORK = ("echo at work; while [ -e $0/hold ]; do sleep 0.02; done; [ ! -e $0/fail ] || exit 1; [ ! -e $0/again ] || exit 75")
RETRY, START, CANCEL, READ = "/api/runs/{runId}/retry", "/api/reports/start", "/api/runs/{runId}/cancel", "/api/runs/{runId}"


class Metrics(StackTest):
    options = {"pipelines": pipelines(VERIFY, shell("work", WORK)), "workers": 0, "concurrency": 4,
               "settings": ("--admin-listen", "127.0.0.1:0", "--lease", 2000, "--beat", 500, "--sweep", 200)}

    @classmethod
    def prepare(cls):
        side = cls.stack.dir / "side"
        cls.stack.pipelines.write_text(cls.stack.pipelines.read_text().replace("$0", str(side)))
        cls.hold, cls.fault, cls.again = side / "hold", side / "fail", side / "again"
        cls.asked, cls.refused, cls.accepted, cls.runs = (collections.Counter() for _ in range(4))
        cls.client = cls.stack.client()
        cls.frozen, cls.worker = cls.stack.start_worker(), None
        cls.live_through()

    # --- what happens, with a book of it ---

    @classmethod
    def ask(cls, route, method, path, body=None, **more):
        answer = cls.client.call(method, path, body, **more)
        cls.asked[method.lower(), route, f"{answer.status // 100}xx"] += 1
        if answer.status >= 400:
            cls.refused[answer.json["error"]] += 1
        return answer

    @classmethod
    def begin(cls, kind, *call, **more):
        run = cls.ask(*call, **more).json["run"]["id"]
        cls.accepted[kind] += 1
        return run

    @classmethod
    def retry(cls, source, **more):
        return cls.begin("retry", RETRY, "POST", f"/api/runs/{source}/retry", {}, **more)

    @classmethod
    def live_through(cls):
        started = [cls.begin("start", START, "POST", START, {"openapiText": DOCUMENT}) for _ in range(3)]
        cls.source = started[0]
        for run in started:
            cls.stack.wait_status(run, "complete", "ready")
        for run in [cls.retry(cls.source) for _ in range(8)]:
            cls.stack.wait_status(run, "complete", "ready")
        cls.be_refused()
        cls.fail_once()
        cls.cancel_one()
        cls.lose_a_worker()
        cls.client.close()

    @classmethod
    def be_refused(cls):
        keyed = {"headers": {"Idempotency-Key": "once"}}
        first = cls.retry(cls.source, **keyed)
        again = cls.ask(RETRY, "POST", f"/api/runs/{cls.source}/retry", {}, **keyed)
        assert again.headers["Idempotent-Replayed"] == "true" and again.json["run"]["id"] == first
        cls.stack.wait_status(first, "complete", "ready")
        for _ in range(2):
            cls.ask(RETRY, "POST", "/api/runs/run_00000000000000000000000000zz/retry", {})
        cls.ask(RETRY, "POST", f"/api/runs/{cls.source}/retry", "[]")
        cls.ask(RETRY, "POST", f"/api/runs/{cls.source}/retry", {}, key="rp_nonsense")
        cls.ask("none", "GET", "/api/nothing/here")
        cls.ask(READ, "GET", f"/api/runs/{cls.source}")

    @classmethod
    def fail_once(cls):
        cls.fault.touch()
        cls.stack.wait_status(cls.retry(cls.source), "failed")
        cls.fault.unlink()
        cls.again.touch()
        run = cls.retry(cls.source)
        wait_for("it is put off", lambda: cls.stack.run_hash(run).get("where") == "delayed")
        cls.again.unlink()
        cls.stack.wait_status(run, "complete", "ready")

    @classmethod
    def cancel_one(cls):
        cls.hold.touch()
        run = cls.retry(cls.source)
        cls.stack.wait_status(run, "running")
        cls.ask(CANCEL, "POST", f"/api/runs/{run}/cancel", {})
        cls.hold.unlink()
        cls.stack.wait_status(run, "canceled")

    @classmethod
    def lose_a_worker(cls):
        cls.hold.touch()
        run = cls.retry(cls.source)
        cls.stack.wait_status(run, "running")
        cls.frozen.signal(signal.SIGSTOP)
        cls.worker = cls.stack.start_worker()
        wait_for("the other has it", lambda: cls.stack.run_hash(run).get("worker") == cls.worker.id)
        cls.hold.unlink()
        cls.stack.wait_status(run, "complete", "ready")
        cls.frozen.signal(signal.SIGCONT)
        wait_for("the thawed one knows", lambda: cls.in_hand(cls.frozen) == 0 and
                 scrape(cls.frozen).of("reprise_worker_runs_total", outcome="lost") > 0)

    @staticmethod
    def in_hand(worker):
        return scrape(worker).of("reprise_worker_busy_slots")

    # --- what is said of it ---

    def settled(self):
        """A scrape of the API that has seen what Redis says now."""
        stats = self.stack.stats()

        def look():
            s = scrape(self.stack.api)
            seen = (s.of("reprise_queue_ended_total"), s.of("reprise_workers", state="running"), s.of("reprise_fleet_busy_slots"))
            return s if seen == (stats["ended"], 2, 0) else None
        return wait_for("the API has looked at the queues", look)

    def workers(self):
        return [scrape(w) for w in (self.frozen, self.worker)]

    def of_workers(self, name, **labels):
        return sum(s.of(name, **labels) for s in self.workers())

    def test_1_requests_are_counted_by_route_and_class(self):
        seen = self.settled()
        asked = {k: v for k, v in seen.by("reprise_http_requests_total", "method", "route", "status").items()}
        asked.update({("get", "none", k[2]): asked.pop(k) for k in list(asked) if k[1] == "none"})
        self.assertEqual(asked, dict(self.asked))
        for (method, route, _), _ in self.asked.items():
            method = "none" if route == "none" else method
            self.assertEqual(seen.of("reprise_http_request_duration_seconds_count", method=method, route=route),
                             seen.of("reprise_http_requests_total", method=method, route=route))
        self.assertEqual(seen.by("reprise_http_refusals_total", "code"), dict(self.refused))
        self.assertEqual(set(self.refused), {"run_not_found", "invalid_body", "unauthorized", "not_found"})

    def test_1_runs_are_counted_as_redis_counts_them(self):
        seen, stats = self.settled(), self.stack.stats()
        self.assertEqual(seen.by("reprise_runs_accepted_total", "kind"), dict(self.accepted))
        self.assertEqual(seen.of("reprise_queue_accepted_total"), sum(self.accepted.values()))
        self.assertEqual(seen.of("reprise_runs_replayed_total"), 1)
        self.assertEqual(seen.by("reprise_blob_checks_total", "outcome"), {"retained": self.accepted["retry"]})
        statuses = ("queued", "running", "blocked", "ready", "complete", "failed", "canceled", "expired")
        self.assertEqual({s: seen.of("reprise_runs", status=s) for s in statuses}, {s: stats.get(s, 0) for s in statuses})
        self.assertEqual((stats["failed"], stats["canceled"], stats["queued"], stats["running"]), (1, 1, 0, 0))
        for name, field in (("reprise_queue_claims_total", "claims"), ("reprise_recoveries_total", "recovered"),
                            ("reprise_dead_letters_total", "buried"), ("reprise_queue_ended_total", "ended")):
            self.assertEqual(seen.of(name), stats[field], name)
        self.assertEqual(stats["recovered"], 1)
        self.assertEqual(stats["buried"], self.stack.redis.call("XLEN", P0 + "dead"))
        for cause, field in (("taken", "fenced"), ("canceled", "fenced_canceled")):
            self.assertEqual(seen.of("reprise_fenced_writes_total", cause=cause), stats.get(field, 0))
        self.assertEqual((seen.of("reprise_fleet_slots"), seen.of("reprise_fleet_busy_slots")), (8, 0))
        self.assertEqual((seen.of("reprise_redis_up"), seen.of("reprise_redis_unsafe"), seen.of("reprise_paused")), (1, 0, 0))

    def test_1_workers_agree_with_redis(self):
        stats = self.stack.stats()
        for outcome in ("ready", "complete", "failed"):
            self.assertEqual(self.of_workers("reprise_worker_runs_total", outcome=outcome), stats.get(outcome, 0), outcome)
        for outcome, times in (("lost", 2), ("released", 1), ("blocked", 0)):  # lost: the canceled one, and the frozen worker's
            self.assertEqual(self.of_workers("reprise_worker_runs_total", outcome=outcome), times, outcome)
        self.assertEqual(self.of_workers("reprise_worker_claims_total"), stats["claims"])
        self.assertEqual(self.of_workers("reprise_worker_runs_total"), stats["claims"])
        self.assertEqual(self.of_workers("reprise_worker_run_duration_seconds_count"), stats["claims"])
        self.assertEqual(self.of_workers("reprise_worker_queue_wait_seconds_count"), sum(self.accepted.values()))
        self.assertEqual(self.of_workers("reprise_worker_fenced_writes_total"),
                         stats.get("fenced", 0) + stats.get("fenced_canceled", 0))
        steps = "reprise_worker_step_duration_seconds_count"
        self.assertEqual(self.of_workers(steps, step="work", outcome="retrying"), 1)
        self.assertEqual(self.of_workers(steps, step="work", outcome="failed"), 1)
        self.assertEqual(self.of_workers(steps, step="work", outcome="completed"), stats.get("complete", 0) + stats.get("ready", 0))

        stored = self.of_workers("reprise_worker_artifact_bytes_total")
        known = self.stored_bytes()
        # Beside what the records know: what was put in the store for writes that were then refused, and the first of two tries.
        self.assertTrue(known <= stored <= known + 1000, (known, stored))

    def stored_bytes(self):
        records = [self.stack.run_hash(run) for run in self.stack.redis.call("ZRANGE", P0 + "runs:acme", 0, -1)]
        return sum(artifact["bytes"] for record in records for field, text in record.items() if re.fullmatch(r"a\.\d+", field)
                   for artifact in json.loads(text))

    def test_1_processes_tell_of_themselves(self):
        for process, seen in zip((self.stack.api, self.frozen, self.worker), (self.settled(), *self.workers())):
            self.assertEqual(seen.of("reprise_build_info"), 1)
            self.assertGreater(seen.of("process_resident_memory_bytes"), 1 << 20)
            self.assertLess(seen.of("process_open_fds"), seen.of("process_max_fds"))
            born = process.log.stat().st_ctime  # the log is younger than nothing, and was last written to later
            self.assertLess(abs(seen.of("process_start_time_seconds") - born), 120)
            self.assertGreater(seen.of("reprise_redis_round_trip_seconds_count"), 5)
            self.assertGreater(seen.of("reprise_redis_round_trip_seconds_bucket", le="1"), 5)

    def test_2_promtool_has_nothing_to_say(self):
        for process in (self.stack.api, self.worker):
            self.assertEqual(promtool("check", "metrics", stdin=scrape(process).text), "")

    def test_2_what_alerts_and_dashboard_name_is_there(self):
        scrapes = [self.settled(), *self.workers()]
        series = {(name, labels) for s in scrapes for name, labels in s.series}
        names = {name for name, _ in series} | {name.removesuffix("_bucket") for name, _ in series}
        texts = {"alerts.yml": (MONITORING / "alerts.yml").read_text(),
                 "dashboard": (MONITORING / "grafana/dashboards/reprise.json").read_text().replace('\\"', '"')}
        for where, text in texts.items():
            named = set(re.findall(r"\b((?:reprise|process)_[a-z_]+)\b", text)) - {"process_"}
            self.assertGreater(len(named), 15)
            self.assertEqual(sorted(named - names), [], where)
            for name, matchers in re.findall(r'\b(reprise_\w+)\{((?:\s*\w+(?:=~|!=|=)"[^"]*",?)+)\}', text):
                wanted = set(re.findall(r'(\w+)="([^"]*)"', matchers))
                self.assertTrue(any(n == name and wanted <= labels for n, labels in series), f"{where}: {name} {wanted}")

    def test_3_the_number_of_series_does_not_grow(self):
        processes = (self.stack.api, self.frozen, self.worker)
        self.settled()
        before = [set(scrape(p).series) for p in processes]
        for run in [self.retry(self.source) for _ in range(200)]:
            self.stack.wait_status(run, "complete", "ready")
        self.settled()
        after = [set(scrape(p).series) for p in processes]
        self.assertEqual(before, after)
        values = {value for series in after for _, labels in series for _, value in labels}
        self.assertEqual([v for v in values if re.search(r"(run|prj|rp)_[0-9a-z]{8}|acme", v)], [])


class Monitoring(unittest.TestCase):
    def test_the_configuration_and_the_rules_are_sound(self):
        self.assertEqual(promtool("check", "config", MONITORING / "prometheus.yml"), "")
        self.assertEqual(promtool("check", "rules", MONITORING / "alerts.yml"), "")

    def test_every_alert_is_shown_to_fire_and_says_what_to_do(self):
        self.assertEqual(promtool("test", "rules", "alerts.test.yml", cwd=MONITORING), "")
        rules = (MONITORING / "alerts.yml").read_text()
        alerts = re.findall(r"- alert: (\w+)", rules)
        shown = (MONITORING / "alerts.test.yml").read_text()
        self.assertEqual([a for a in alerts if f'alertname="{a}"' not in shown], [])
        for word in ("severity:", "summary:", "description:"):
            self.assertEqual(rules.count(word), len(alerts), word)


if __name__ == "__main__":
    unittest.main()
