"""Operators: their keys, the registry of workers and orders to them, pauses, explain, scale, failures, the record of acts."""
import json
import re
import unittest

from contract import check_accepted, check_error
from pipelines import DOCUMENT, VERIFY, pipelines, shell
from process import wait_for
from resp import pairs
from stack import P0, FreshStackTest

FAILS = shell("brittle", 'test -e "$0/mended" || { echo no >&2; exit 3; }', attempts=1)


class Operators(FreshStackTest):
    options = {"pipelines": pipelines(VERIFY, FAILS, flagship=[VERIFY]), "workers": 0}

    def setUp(self):
        super().setUp()
        self.side = self.stack.dir / "side"
        self.stack.pipelines.write_text(self.stack.pipelines.read_text().replace("$0", str(self.side)))
        self.ops = self.stack.client("*", "ops:read,ops:write", user="grace")
        self.acme, self.other = self.stack.client("acme", user="ada"), self.stack.client("other")

    def start(self, client, **more):
        return check_accepted(client.start(DOCUMENT, **more), of_retry=False)["run"]["id"]

    def explain(self, run, client=None):
        answer = (client or self.ops).get(f"/api/runs/{run}/explain")
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def worker(self, name):
        return next((w for w in self.ops.get("/api/workers").json["workers"] if w["id"] == name), None)

    # --- keys ---

    def test_an_operators_key_reads_and_acts_for_every_organisation(self):
        ours, theirs = self.start(self.acme), self.start(self.other)
        self.assertEqual([r["id"] for r in self.ops.get("/api/runs").json["runs"]], [theirs, ours])
        self.assertEqual([r["id"] for r in self.ops.get("/api/runs?org=acme").json["runs"]], [ours])
        self.assertEqual(self.ops.get(f"/api/runs/{theirs}").json["orgId"], "other")
        retried = check_accepted(self.ops.retry(ours, reason="looked at it"), of_retry=True)["run"]
        self.assertEqual((retried["orgId"], retried["createdByUserId"]), ("acme", "grace"))
        self.assertEqual(self.ops.post(f"/api/runs/{theirs}/cancel").json["run"]["status"], "canceled")
        check_error(self.acme.get("/api/workers"), 403, "insufficient_scope")
        check_error(self.stack.client("*", "ops:read").retry(ours), 403, "insufficient_scope")
        check_error(self.ops.post("/api/reports/start", {"openapiText": DOCUMENT}), 400, "invalid_parameter")
        self.assertEqual(self.ops.post("/api/reports/start?org=acme", {"openapiText": DOCUMENT}).status, 202)
        me = self.ops.get("/api/me").json
        self.assertEqual((me["org"], me["user"], me["operator"]), ("*", "grace", True))

    def test_a_list_for_all_is_read_page_by_page(self):
        runs = [self.start(client) for _ in range(4) for client in (self.acme, self.other)]
        seen, cursor = [], ""
        while True:
            page = self.ops.get(f"/api/runs?limit=3{cursor}").json
            seen += [r["id"] for r in page["runs"]]
            if "nextCursor" not in page:
                break
            cursor = f"&cursor={page['nextCursor']}"
        self.assertEqual(seen, runs[::-1])

    def test_a_search_finds_a_run_and_a_project_by_its_name(self):
        run = self.start(self.acme, projectName="Bike & share")
        project = self.acme.get(f"/api/runs/{run}").json["projectId"]
        self.start(self.acme)
        for q in (run, project, "Bike%20%26%20share"):
            for client in (self.acme, self.ops):
                self.assertEqual([r["id"] for r in client.get(f"/api/runs?q={q}").json["runs"]], [run], q)
            self.assertEqual(self.other.get(f"/api/runs?q={q}").json["runs"], [])
            self.assertEqual(self.ops.get(f"/api/runs?q={q}&status=ready").json["runs"], [])
            self.assertEqual(len(self.ops.get(f"/api/runs?q={q}&status=queued").json["runs"]), 1)

    def test_keys_of_operators_and_of_organisations_do_not_mix(self):
        for org, scopes in (("acme", "ops:read"), ("*", "runs:read"), ("*", "runs:read,ops:read")):
            with self.assertRaisesRegex(AssertionError, "scopes"):
                self.stack.key(org, scopes)

    # --- pauses ---

    def test_what_is_paused_is_accepted_and_not_started(self):
        paused = self.ops.post("/api/queue/pause", {"reason": "migration"}).json["paused"]
        self.assertEqual([(p["what"], p["reason"], p["by"].split("/")[0]) for p in paused], [("all", "migration", "user:grace")])
        self.stack.start_worker()
        wait_for("the API knows", lambda: self.acme.start(DOCUMENT).json["capabilities"].get("paused"))
        run = self.start(self.acme)
        told = self.explain(run, self.acme)
        self.assertEqual(told["reason"], "paused")
        self.assertIn("migration", told["message"])
        self.assertEqual(self.stack.run_hash(run)["status"], "queued")
        self.assertEqual(self.ops.post("/api/queue/resume").json["paused"], [])
        self.stack.wait_status(run, "complete")

    def test_a_paused_project_waits_aside_and_keeps_nobody_else(self):
        held = [self.start(self.acme, projectName="held") for _ in range(30)]
        project = self.acme.get(f"/api/runs/{held[0]}").json["projectId"]
        self.assertEqual(self.ops.post("/api/queue/pause", {"projectId": project}).status, 200)
        free = self.start(self.acme, projectName="free")
        self.stack.start_worker()
        self.stack.wait_status(free, "complete")
        wait_for("all are set aside", lambda: self.ops.get("/api/queue").json["held"] == 30)
        queue = self.ops.get("/api/queue").json
        self.assertEqual((queue["queued"], queue["inStreams"]), (30, 0))
        self.assertEqual(self.explain(held[3])["reason"], "paused")
        self.assertEqual(self.stack.run_hash(held[0])["where"], "held")
        self.acme.post(f"/api/runs/{held[29]}/cancel")
        self.assertEqual(json.loads(self.stack.admin("doctor", "--json"))["findings"], [])
        self.assertEqual(self.ops.get("/api/scale").json["inputs"]["notCounted"]["held"], 29)
        self.ops.post("/api/queue/resume", {"projectId": project})
        for run in held[:29]:
            self.stack.wait_status(run, "complete")
        self.assertEqual(self.stack.stats()["held"], 0)
        starts = [self.ops.get(f"/api/runs/{run}/history").json["events"][1]["at"] for run in held[:29]]
        self.assertEqual(starts, sorted(starts))

    def test_a_paused_mode_waits_and_others_go_on(self):
        self.assertEqual(self.ops.post("/api/queue/pause", {"mode": "stainless_compatible"}).status, 200)
        self.stack.start_worker()
        run = self.start(self.acme, mode="stainless_compatible", configText="{}")
        self.stack.wait_status(self.start(self.acme), "complete")
        wait_for("it is set aside", lambda: self.stack.run_hash(run)["where"] == "held")
        (self.side / "mended").touch()
        self.ops.post("/api/queue/resume", {"mode": "stainless_compatible"})
        self.stack.wait_status(run, "complete")

    def test_nonsense_is_not_paused(self):
        for body, status in (({"mode": "x"}, 400), ({"mode": "flagship", "projectId": "prj_00" + "0" * 26}, 404),
                             ({"projectId": "prj_00" + "0" * 26}, 404), ({"projectId": "x"}, 404)):
            self.assertEqual(self.ops.post("/api/queue/pause", body).status, status, body)
        self.assertEqual(self.ops.get("/api/queue").json["paused"], [])

    # --- workers ---

    def test_the_registry_tells_of_a_worker_and_it_obeys(self):
        run = self.start(self.acme)
        self.assertEqual(self.explain(run)["reason"], "no_worker")
        worker = self.stack.start_worker()
        entry = self.worker(worker.id)
        self.assertEqual((entry["state"], entry["slots"], entry["pid"]), ("running", 2, worker.pid))
        self.stack.wait_status(run, "complete")
        self.assertEqual(self.ops.post(f"/api/workers/{worker.id}/quiet", {"reason": "look"}).status, 202)
        wait_for("it is quiet", lambda: self.worker(worker.id)["state"] == "quiet")
        second = self.start(self.acme)
        self.assertEqual(self.explain(second)["reason"], "workers_quiet")
        self.assertEqual(self.ops.post(f"/api/workers/{worker.id}/resume").status, 202)
        self.stack.wait_status(second, "complete")
        self.assertEqual(self.ops.post(f"/api/workers/{worker.id}/drain").status, 202)
        self.assertEqual(worker.child.wait(30), 0)
        self.assertIsNone(self.worker(worker.id))
        check_error(self.ops.post(f"/api/workers/{worker.id}/quiet"), 404, "worker_not_found")
        check_error(self.ops.post("/api/workers/x/dance"), 404, "not_found")

    # --- what people did, and what failed ---

    def test_failures_are_grouped_and_found_by_code(self):
        self.stack.start_worker()
        runs = [self.start(self.acme, mode="stainless_compatible", configText="{}") for _ in range(3)]
        for run in runs:
            self.stack.wait_status(run, "failed")
        for client in (self.acme, self.ops):
            groups = client.get("/api/failures").json["groups"]
            self.assertEqual([(g["step"], g["code"], g["count"], g["lastRun"] in runs) for g in groups],
                             [("brittle", "step_failed", 3, True)])
            self.assertEqual({r["id"] for r in client.get("/api/runs?error=step_failed").json["runs"]}, set(runs))
        self.assertEqual(self.other.get("/api/failures").json["groups"], [])

    def test_every_act_is_on_record(self):
        run = self.start(self.acme)
        retried = self.acme.retry(run, reason="once more").json["run"]["id"]
        self.acme.post(f"/api/runs/{run}/cancel", {"reason": "wrong"})
        self.ops.post("/api/queue/pause", {"reason": "night"})
        self.stack.admin("orgs", "set", "acme", "--plan", "inactive")
        acts, cursor = [], ""
        while True:
            page = self.ops.get(f"/api/audit?limit=2{cursor}").json
            acts += page["acts"]
            if "nextCursor" not in page:
                break
            cursor = f"&cursor={page['nextCursor']}"
        said = [(a["act"], a["object"], a["by"].split("/")[0], a.get("cause", "")) for a in acts]
        self.assertEqual(said[1:5], [("pause", "all", "user:grace", "night"), ("cancel", run, "user:ada", "wrong"),
                                     ("retry", retried, "user:ada", f"of {run}: once more"), ("start", run, "user:ada", "")])
        self.assertEqual(said[0][:2], ("plan", "acme"))
        self.assertIn("key_create", {act for act, *_ in said})

    def test_what_happened_in_one_millisecond_is_told_on_several_pages(self):
        [library] = [pairs(found)["library_name"] for found in self.stack.redis.call("FUNCTION", "LIST")]
        act = re.sub("^reprise_", "r", library) + "_act"
        self.stack.redis.transaction([("FCALL", act, "1", P0, "note", f"thing {n}", "cli:test", "") for n in range(20)])
        entries = self.stack.redis.call("XRANGE", P0 + "audit", "-", "+")
        self.assertLess(len({entry[0].split("-")[0] for entry in entries}), len(entries) // 2)  # or this tests nothing
        acts, cursor = [], ""
        for _ in range(len(entries)):
            page = self.ops.get(f"/api/audit?limit=3{cursor}").json
            acts += [a["object"] for a in page["acts"]]
            if "nextCursor" not in page:
                break
            cursor = f"&cursor={page['nextCursor']}"
        self.assertEqual(acts, [pairs(entry[1])["object"] for entry in reversed(entries)])
        for cursor in ("1", "x-1", "1-", "-1", "1-99999", "1-1-1"):
            check_error(self.ops.get(f"/api/audit?cursor={cursor}"), 400, "invalid_parameter")

    def test_what_a_pause_holds_asks_for_no_workers(self):
        self.ops.post("/api/queue/pause", {"reason": "night", "mode": "flagship"})
        worker = self.stack.start_worker()
        for _ in range(3):
            self.start(self.acme)
        wait_for("they are set aside", lambda: self.stack.redis.call("HGET", P0 + "stats", "held") == "3")
        wait_for("it is sampled", lambda: self.sampled_last("held") == 3, seconds=30)
        scale = self.ops.get("/api/scale").json
        self.assertEqual((scale["inputs"]["waiting"], scale["inputs"]["notCounted"]["held"], scale["inputs"]["arrivalPerSecond"]),
                         (0, 3, 0))
        self.ops.post("/api/queue/resume", {"mode": "flagship"})
        wait_for("they are worked on", lambda: self.stack.redis.call("HGET", P0 + "stats", "complete") == "3")
        self.assertEqual(self.worker(worker.id)["state"], "running")

    def test_what_is_paused_asks_for_no_workers_though_none_is_there(self):
        held = [self.start(self.acme, projectName="held") for _ in range(20)]
        free = self.start(self.acme, projectName="free")
        self.assertEqual(self.ops.get("/api/scale?service=60").json["inputs"]["waiting"], 21)
        project = self.acme.get(f"/api/runs/{held[0]}").json["projectId"]
        self.ops.post("/api/queue/pause", {"projectId": project})
        wait_for("they are set aside", lambda: self.ops.get("/api/queue").json["held"] == 20)
        scale = self.ops.get("/api/scale?service=60").json
        self.assertEqual((scale["inputs"]["waiting"], scale["inputs"]["notCounted"]["held"], scale["workers"]), (1, 20, 1))
        self.ops.post("/api/queue/pause", {"mode": "flagship"})
        wait_for("all are", lambda: self.ops.get("/api/scale?service=60").json["inputs"]["waiting"] == 0)
        self.ops.post("/api/queue/resume", {"projectId": project})
        wait_for("what another pause holds is set aside again", lambda: self.ops.get("/api/queue").json["held"] == 21)
        self.assertEqual({self.explain(run)["reason"] for run in (*held, free)}, {"paused"})
        self.assertEqual(json.loads(self.stack.admin("doctor", "--json"))["findings"], [])
        self.ops.post("/api/queue/resume", {"mode": "flagship"})
        self.stack.start_worker()
        for run in (*held, free):
            self.stack.wait_status(run, "complete")
        self.assertEqual((self.stack.stats()["held"], self.stack.stats()["ghosts"]), (0, 0))
        self.assertEqual(json.loads(self.stack.admin("doctor", "--json"))["findings"], [])

    def sampled_last(self, column):
        history = self.ops.get("/api/history").json
        return dict(zip(history["columns"], history["rows"][-1]))[column] if len(history["rows"]) > 1 else None

    def test_a_run_tells_its_story(self):
        self.stack.start_worker()
        run = self.start(self.acme)
        self.stack.wait_status(run, "complete")
        events = self.acme.get(f"/api/runs/{run}/history").json["events"]
        self.assertEqual([e["seq"] for e in events], list(range(1, len(events) + 1)))
        self.assertEqual([(e["type"], e.get("step")) for e in events],
                         [("run.queued", None), ("run.running", None), ("step.running", "verify_inputs"),
                          ("step.completed", "verify_inputs"), ("run.complete", None)])
        self.assertTrue(events[0]["by"].startswith("user:ada/"))
        check_error(self.other.get(f"/api/runs/{run}/history"), 404, "run_not_found")

    # --- numbers ---

    def test_the_past_is_sampled_and_scale_is_made_of_it(self):
        run = self.start(self.acme)
        # Of what came before the first sample nothing is known; a second one follows 10 s later.
        wait_for("two samples", lambda: len(self.ops.get("/api/history").json["rows"]) > 1, seconds=30)
        history = self.ops.get("/api/history").json
        last = dict(zip(history["columns"], history["rows"][-1]))
        self.assertEqual((last["accepted"], last["queued"], last["running"], last["workers"]), (1, 1, 0, 0))
        scale = self.ops.get("/api/scale?slo=60&service=120").json
        self.assertEqual((scale["workers"], scale["inputs"]["waiting"], scale["inputs"]["serviceKnown"]), (1, 1, True))
        self.assertEqual(self.ops.get("/api/overview").json["warnings"][0]["code"], "no_worker")
        self.acme.post(f"/api/runs/{run}/cancel")
        self.assertEqual(self.ops.get("/api/scale?slo=86400&service=1").json["inputs"]["waiting"], 0)


if __name__ == "__main__":
    unittest.main()
