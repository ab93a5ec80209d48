"""Calls of Redis whose replies are lost: each is repeated, and no call has its effect twice."""
import concurrent.futures
import random
import re
import signal
import threading
import time
import unittest

from client import Api
from pipelines import BUILT_IN_ONLY, DOCUMENT
from stack import P0, wait_for
from troubled import BACK, UNAVAILABLE, ProxiedStack, TroubleTest

HELD = 0.3  # seconds that a reply is under way: time enough to lose it after its call was carried out


class OneReply(TroubleTest):
    """The reply of one call, lost after the call was carried out."""
    kind, redis_timeout = ProxiedStack, 3.0

    def lose(self, role, carried_out):
        """Resets the connections of a program whose call Redis has carried out and whose reply is still under way."""
        wait_for("the call is carried out", carried_out, every=0.01)
        self.stack.proxies[role].cut()
        self.stack.proxies[role].delay(0)
        self.heal()

    def status(self, run):
        return self.stack.run_hash(run).get("status")

    def runs(self):
        return self.stack.redis.call("ZRANGE", P0 + "runs:acme", 0, -1)

    def lost_by_the_api(self, call, carried_out):
        """The answer to a call that the API could not hear Redis' reply to."""
        with self.trouble(), concurrent.futures.ThreadPoolExecutor(1) as pool:
            self.stack.proxies["api"].delay(HELD)
            answer = pool.submit(call)
            self.lose("api", carried_out)
            return answer.result(BACK)

    def test_a_start_whose_reply_is_lost_makes_one_run_and_answers_with_it(self):
        answer = self.lost_by_the_api(lambda: self.client.start(DOCUMENT), self.runs)
        self.assertEqual(answer.status, 202, answer)
        self.assertEqual(self.runs(), [answer.json["run"]["id"]])
        self.assertNotIn("Idempotent-Replayed", answer.headers)
        self.assertEqual(self.stack.stats()["accepted"], 1)
        self.comes_back(self.runs())

    def test_a_retry_whose_reply_is_lost_makes_one_run_and_answers_with_it(self):
        self.go()
        source = self.start()
        self.stack.wait_status(source, "complete", seconds=BACK)
        answer = self.lost_by_the_api(lambda: self.client.retry(source), lambda: len(self.runs()) == 2)
        self.assertEqual(answer.status, 202, answer)
        self.assertEqual(self.runs(), [source, answer.json["run"]["id"]])
        self.assertEqual(answer.json["sourceRun"]["id"], source)
        self.comes_back(self.runs())

    def test_a_cancel_whose_reply_is_lost_is_answered_as_what_it_did(self):
        run = self.start_long()
        cancel = f"/api/runs/{run}/cancel"
        answer = self.lost_by_the_api(lambda: self.client.post(cancel), lambda: self.status(run) == "canceled")
        self.assertEqual((answer.status, answer.json["run"]["status"]), (200, "canceled"), answer)
        self.assertEqual(self.client.post(cancel).json["error"], "run_not_cancelable")
        wait_for("the step is ended", lambda: not self.stack.step_processes(), 2)

    def test_a_claim_whose_reply_is_lost_is_found_again_long_before_its_lease_ends(self):
        with self.trouble():
            self.stack.proxies["worker"].delay(HELD)
            runs = [self.start(), self.start()]
            self.lose("worker", lambda: "running" in {self.status(run) for run in runs})
            self.comes_back(runs)
        for run in runs:
            self.undisturbed(run)

    def test_an_end_whose_reply_is_lost_is_one_end(self):
        run = self.start_long()
        with self.trouble():
            self.stack.proxies["worker"].delay(HELD)
            self.go()
            self.lose("worker", lambda: self.status(run) == "complete")
            self.comes_back([run])
        self.undisturbed(run)
        self.assertEqual(self.stack.stats().get("fenced", 0), 0)

    def test_a_run_that_is_handed_back_and_its_reply_lost_is_handed_back_once(self):
        run, first = self.start_long(), self.stack.workers[0]
        self.stack.proxies["worker"].delay(HELD)
        first.signal(signal.SIGTERM)
        first.wait_log("draining")
        first.signal(signal.SIGTERM)  # hands back now
        self.lose("worker", lambda: self.status(run) == "queued")
        self.assertEqual(first.child.wait(BACK), 0)
        self.assertEqual(len(re.findall(" queued ", self.stack.run_hash(run)["history"])), 2)
        self.stack.start_worker()
        self.heal()
        self.comes_back([run])
        self.assertEqual(self.stack.stats().get("fenced", 0), 0)


class Load:
    """Callers that start runs, each run with words of its own, until they are told to end; and what they heard."""
    CALLERS = 4

    def __init__(self, stack, key, keyed, answered):
        self.port, self.key, self.keyed, self.answered = stack.port, key, keyed, answered
        self.acknowledged, self.given_up, self.refusals, self.wrong = {}, set(), 0, []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.call, args=(n,), daemon=True) for n in range(self.CALLERS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self.over.set()
        for thread in self.threads:
            thread.join(30)
            if thread.is_alive():
                self.wrong.append("a caller is still waiting")

    def call(self, caller):
        api, n = Api(self.port, self.key), 0
        try:
            while not self.over.wait(0.02):
                n += 1
                self.one(api, f"{caller}-{n}")
        except OSError as error:  # a thread's failure would pass unseen
            self.wrong.append(repr(error))
        api.close()

    def one(self, api, words):
        """With a key, until it is acknowledged; without one, once."""
        headers = {"Idempotency-Key": words} if self.keyed else {}
        for _ in range(30 if self.keyed else 1):
            began = time.monotonic()
            answer = api.post("/api/reports/start", {"openapiText": DOCUMENT, "notes": words}, headers=headers)
            took = time.monotonic() - began
            if answer.status == 202:
                self.acknowledged[words] = answer.json["run"]["id"]
                return
            self.refusals += 1
            known = answer.status == 503 and answer.json["error"] in UNAVAILABLE and "Retry-After" in answer.headers
            if not known or took > self.answered:
                self.wrong.append(f"{answer} after {took:.2f} s")
            time.sleep(0.2)  # as a caller would; nothing is awaited
        self.given_up.add(words)


class ManyReplies(TroubleTest):
    """Connections that break and replies that are lost under a load of starts."""
    kind, redis_timeout, steps, workers = ProxiedStack, 2.0, BUILT_IN_ONLY, 2

    def each_call_had_its_effect_once(self, load):
        self.assertEqual(load.wrong, [])
        runs = self.comes_back(list(load.acknowledged.values()))
        made = {}
        for run, record in runs.items():
            made.setdefault(record.get("notes"), []).append(run)
        made.pop(None)  # that of comes_back()
        self.assertEqual({words: ids for words, ids in made.items() if len(ids) > 1}, {}, "a call made two runs")
        for words, run in load.acknowledged.items():
            self.assertEqual(made.pop(words, None), [run])
        self.assertLessEqual(set(made), load.given_up, "runs that nobody asked for")
        for run, record in runs.items():
            self.assertEqual(len(re.findall(" running ", record["history"])), 1, "a claim was made anew")
        self.assertEqual(self.stack.stats().get("fenced", 0), 0)

    def broken_in_the_middle(self, keyed):
        dice = random.Random(7)
        with self.trouble(), Load(self.stack, self.client.key, keyed, self.answered) as load:
            for _ in range(30):
                for proxy in self.stack.proxies.values():
                    proxy.cut_after(dice.randrange(1, 4000))
                time.sleep(0.1)
        self.assertGreater(len(load.acknowledged), 30)
        for program in self.programs():
            self.assertGreater(program.log_text().count('"redis_lost"'), 5, "the connections did not break")
        self.heal()
        self.each_call_had_its_effect_once(load)

    def test_connections_that_break_in_the_middle_of_a_pipeline_lose_and_double_nothing(self):
        self.broken_in_the_middle(keyed=False)

    def test_calls_with_a_key_are_one_run_however_often_connections_break(self):
        self.broken_in_the_middle(keyed=True)

    def replies_lost(self, keyed):
        with self.trouble():
            with Load(self.stack, self.client.key, keyed, self.answered) as load:
                wait_for("the load is on", lambda: len(load.acknowledged) > 10)
                for proxy in self.stack.proxies.values():
                    proxy.lose_replies()
                wait_for("a call was refused", lambda: load.refusals > 0)
                for proxy in self.stack.proxies.values():
                    proxy.lose_replies(False)
                before = len(load.acknowledged)
                wait_for("the load goes on", lambda: len(load.acknowledged) > before + 10, BACK)
            self.heal()
            self.each_call_had_its_effect_once(load)
        return load

    def test_calls_without_a_key_whose_replies_are_lost_make_one_run_each_at_most(self):
        self.replies_lost(keyed=False)

    def test_calls_with_a_key_whose_replies_are_lost_are_acknowledged_in_the_end_each_with_one_run(self):
        self.assertEqual(self.replies_lost(keyed=True).given_up, set())


if __name__ == "__main__":
    unittest.main()
