"""Watching a run: every event of it in order, told live or afterwards, whatever happens meanwhile to the watcher, the
API, Redis or the live feed; and GETs that are held until the run changes."""
import signal
import socket
import time
import unittest

from contract import check_error
from pipelines import DOCUMENT, VERIFY, command, pipelines
from resp import pairs
from retrying import another_id
from stack import P0, USERS, StackTest, wait_for
from watching import (AT_ONE, AT_TWO, EVENTS, GatedTest, Watcher, another_api, check_events, descriptors, request,
                      settled_descriptors)


class Events(GatedTest):
    def test_every_event_comes_in_order_and_says_what_happened(self):
        run = self.start()
        watcher = self.watch(run).until_seen(AT_ONE)
        self.gates.open(run, "one")
        watcher.until_seen(AT_TWO)
        self.gates.open(run, "two")
        events = check_events(watcher.until_ended().blocks, run)
        told = [("run.queued", None), ("run.running", None)]
        for name in ("verify_inputs", "one", "noop", "two", "last"):
            if name not in ("noop", "last"):  # which take no time: their ends are all that happens
                told.append(("step.running", name))
            told.append(("step.completed", name))
        told += [("run.complete", None)]
        self.assertEqual([(e.type, e.data.get("step")) for e in events], told)
        self.assertEqual(len(events), EVENTS)
        self.assertEqual((watcher.status, watcher.headers["content-type"]), (200, "text/event-stream"))
        self.assertEqual(watcher.headers["cache-control"], "no-store")
        seen = self.client.get(f"/api/runs/{run}").json
        self.assertEqual(events[-1].data["at"], seen["completedAt"])
        self.assertEqual([e.data["at"] for e in events if e.type == "step.completed"],
                         [step["completedAt"] for step in seen["steps"]])

    def test_whoever_comes_late_reads_the_same_bytes(self):
        run = self.start()
        live = self.watch(run).until_seen(AT_ONE)
        self.gates.open(run, "one")
        between = self.watch(run).until_seen(AT_TWO)
        self.gates.open(run, "two")
        live.until_ended()
        between.until_ended()
        self.forget_feed()
        self.assertEqual(self.whole(run), live.blocks)
        self.assertEqual(between.blocks, live.blocks)

    def test_a_watcher_goes_on_where_it_was_even_when_the_feed_is_long_gone(self):
        run = self.ended()
        whole = self.whole(run)
        self.forget_feed()
        for last in range(1, EVENTS):
            self.assertEqual(self.whole(run, last=last), whole[last:], last)
        over = self.watch(run, last=EVENTS).until_answered()
        self.assertEqual((over.status, over.blocks), (204, []))
        for never_given in (EVENTS + 1, 10**30, 0, -1, "x", "3x", "1e0", "", '"3"'):
            self.assertEqual(self.whole(run, last=never_given), whole, never_given)

    def test_a_feed_that_is_trimmed_while_somebody_watches_is_not_missed(self):
        run = self.started()
        watcher = self.watch(run).until_seen(AT_ONE)
        self.forget_feed()
        self.gates.open(run, "one")
        resumed = self.watch(run, last=AT_ONE - 1).until_seen(AT_TWO)
        watcher.until_seen(AT_TWO)
        self.forget_feed()
        self.gates.open(run, "two")
        check_events(watcher.until_ended().blocks, run)
        self.assertEqual(resumed.until_ended().blocks, watcher.blocks[AT_ONE - 1:])

    def test_what_was_trimmed_before_the_api_could_read_it_is_told_all_the_same(self):
        run = self.started()
        watcher = self.watch(run).until_seen(AT_ONE)
        self.stack.api.signal(signal.SIGSTOP)
        try:
            self.gates.open(run)
            self.stack.wait_status(run, "complete")
            self.forget_feed()
        finally:
            self.stack.api.signal(signal.SIGCONT)
        self.assertEqual(watcher.until_ended(20).blocks, self.whole(run))

    def test_a_silent_run_has_a_heartbeat(self):
        run = self.started()
        watcher = self.watch(run).until_seen(AT_ONE)
        began = time.monotonic()
        watcher.until("a heartbeat", lambda: watcher.heartbeats, 20)
        self.assertGreater(time.monotonic() - began, 10)
        self.assertEqual(watcher.last, AT_ONE)
        self.gates.open(run)
        check_events(watcher.until_ended().blocks, run)

    def test_the_connection_can_be_used_again_after_the_last_event(self):
        watcher = self.watch(self.ended()).until_ended()
        watcher.socket.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertTrue(watcher.socket.recv(65536).startswith(b"HTTP/1.1 200 "))

    def test_nobody_watches_the_run_of_another_organisation(self):
        run, stranger = self.ended(), self.stack.client("stranger")
        for path in (f"/api/runs/{run}/events", f"/api/runs/{another_id(run)}/events", "/api/runs/x/events"):
            answer = stranger.get(path)
            check_error(answer, 404, "run_not_found")
        self.assertEqual(stranger.get(f"/api/runs/{run}/events").body, answer.body)

    def test_a_client_of_http_1_0_gets_plain_text_until_the_connection_ends(self):
        run = self.ended()
        whole = self.whole(run)
        for more in ((), ("Connection: keep-alive",)):
            with self.subTest(more=more):
                old = self.watch(run, version="1.0", more=more)
                old.until("the end of the connection", lambda old=old: old.closed, 5)
                self.assertEqual(old.blocks, whole)
                self.assertNotIn("transfer-encoding", old.headers)
                self.assertNotEqual(old.headers.get("connection", "close").lower(), "keep-alive")

    def test_a_watcher_whose_key_is_revoked_is_told_no_more(self):
        run, other = self.started(), self.stack.client()
        watcher = Watcher(self.stack.port, other.key, run)
        self.addCleanup(watcher.close)
        watcher.until_seen(AT_ONE)
        self.stack.admin("keys", "revoke", other.key.split("_")[1])
        watcher.until_ended(12)
        self.assertEqual(self.stack.run_hash(run)["status"], "running")

    def test_a_watcher_that_leaves_is_noticed_while_the_run_goes_on(self):
        run = self.started()
        self.client.close()
        before = settled_descriptors(self.stack.api)
        watchers = [self.watch(run).until_seen(AT_ONE) for _ in range(20)]
        self.assertEqual(settled_descriptors(self.stack.api), before + 20)
        for watcher in watchers:
            watcher.close()
        wait_for("they are forgotten", lambda: descriptors(self.stack.api) <= before, 2)
        self.assertEqual(self.stack.run_hash(run)["status"], "running")


class ManySteps(StackTest):
    """As many as a pipeline may have."""
    STEPS = [command(f"a_step_with_a_telling_name_{n}", "/bin/true") for n in range(39)]
    options = {"pipelines": pipelines(VERIFY, *STEPS)}

    def test_whoever_comes_late_is_told_of_every_step(self):
        client = self.stack.client()
        run = client.start(DOCUMENT).json["run"]["id"]
        self.stack.wait_status(run, "complete")
        for last in (None, 7):
            watcher = Watcher(self.stack.port, client.key, run, last=last)
            self.addCleanup(watcher.close)
            events = check_events(watcher.until_ended().blocks, run, (last or 0) + 1)
            self.assertEqual(events[-1].id, 2 + 2 * 40 + 1)


class Holding(GatedTest):
    """`Prefer: wait=N`."""

    def held(self, run, seconds=10, **headers):
        return self.client.get(f"/api/runs/{run}", headers={"Prefer": f"wait={seconds}", **headers})

    def send(self, run, *more):
        """A request of its own connection, without waiting for the answer."""
        one = socket.create_connection(("127.0.0.1", self.stack.port), 10)
        self.addCleanup(one.close)
        one.sendall(request(self.client.key, run, more=more).replace(b"/events", b"", 1))
        return one

    def test_a_get_is_held_until_the_run_changes(self):
        for known in (False, True):
            run = self.started()
            tag = self.client.get(f"/api/runs/{run}").headers["ETag"]
            one = self.send(run, "Prefer: wait=10", *([f"If-None-Match: {tag}"] if known else []))
            one.settimeout(0.7)
            self.assertRaises(TimeoutError, one.recv, 1)  # nothing to say yet
            self.gates.open(run, "one")
            one.settimeout(5)
            answer, at = one.recv(65536).decode(), time.time()
            record = self.stack.run_hash(run)
            told = [line.split()[1:5] for line in record["steps"].splitlines()[1:]]  # seq and time of its beginning and its end
            since = {int(seq): int(at) for a, b, c, d in told for seq, at in ((a, b), (c, d))}
            changed = (int(record["created"]) + since[AT_ONE + 1]) / 1000
            self.assertLess(at - changed, 3)
            self.assertTrue(answer.startswith("HTTP/1.1 200 "), answer)
            self.assertIn("\r\nPreference-Applied: wait=10\r\n", answer)
            self.assertNotIn(f"\r\nETag: {tag}\r\n", answer)

    def test_a_connection_that_was_held_once_can_be_held_again_and_then_watch(self):
        run = self.started()
        for _ in range(3):  # each on the connection of the one before
            began = time.monotonic()
            self.assertEqual(self.held(run, 1).status, 200)
            self.assertGreater(time.monotonic() - began, 0.9, "answered at once")
        self.assertEqual(self.client.get("/livez").status, 200)
        self.gates.open(run)
        self.stack.wait_status(run, "complete")
        self.assertEqual(self.client.get(f"/api/runs/{run}/events").body.count(b"\nid: ") + 1, EVENTS + 1)

    def test_304_when_nothing_has_changed_in_that_time(self):
        run = self.started()
        tag, began = self.client.get(f"/api/runs/{run}").headers["ETag"], time.monotonic()
        answer = self.held(run, 1, **{"If-None-Match": tag})
        self.assertEqual((answer.status, answer.body, answer.headers["ETag"]), (304, b"", tag))
        self.assertEqual(answer.headers["Preference-Applied"], "wait=1")
        self.assertTrue(1 <= time.monotonic() - began < 5)
        self.assertEqual(self.held(run, 1).status, 200)

    def at_once(self, run, prefer, **headers):
        began = time.monotonic()
        answer = self.client.get(f"/api/runs/{run}", headers={"Prefer": prefer, **headers})
        self.assertLess(time.monotonic() - began, 3, prefer)
        return answer.status, answer.headers["Preference-Applied"]

    def test_what_is_no_number_of_seconds_holds_nobody(self):
        run = self.started()
        for prefer in ("wait=-1", "wait=0", "wait=abc", "wait=1e9", "wait=", "wait", "wait=1.5", "wait=+5",
                       "wait=0x10", "wait=" + "9" * 30, "nowait=5", ",,,", "respond-async", "=", ""):
            self.assertEqual(self.at_once(run, prefer), (200, None), prefer)

    def test_whoever_has_seen_something_else_is_answered_at_once(self):
        self.assertEqual(self.at_once(self.started(), "wait=10", **{"If-None-Match": '"3"'}), (200, "wait=10"))

    def test_nothing_more_comes_of_a_run_that_has_ended(self):
        run = self.ended()
        tag = self.client.get(f"/api/runs/{run}").headers["ETag"]
        self.assertEqual(self.at_once(run, "wait=30"), (200, "wait=30"))
        self.assertEqual(self.at_once(run, "respond-async, wait=30", **{"If-None-Match": tag}), (304, "wait=30"))
        self.assertEqual(self.at_once(run, "wait=61"), (200, "wait=60"))
        self.assertEqual(self.at_once(run, "wait=4000000000"), (200, "wait=60"))
        self.assertEqual(self.at_once(another_id(run), "wait=30")[0], 404)

    def test_a_client_that_leaves_while_it_is_held_is_noticed(self):
        run = self.started()
        self.client.close()
        before = settled_descriptors(self.stack.api)
        held = [self.send(run, "Prefer: wait=60") for _ in range(20)]
        time.sleep(0.3)  # nothing tells that they are being held
        self.assertEqual(settled_descriptors(self.stack.api), before + 20)
        for one in held:
            one.close()
        wait_for("they are forgotten", lambda: descriptors(self.stack.api) <= before, 2)


class Trouble(GatedTest):
    def test_redis_restarts_and_the_watcher_is_told_the_rest(self):
        run = self.start()
        watcher = self.watch(run).until_seen(AT_ONE)
        second = self.watch(run, last=AT_ONE).until_answered()
        self.stack.redis_process.stop()
        self.gates.open(run, "one")
        self.stack.start_redis()
        watcher.until_seen(AT_TWO, 20)
        self.gates.open(run, "two")
        check_events(watcher.until_ended().blocks, run)
        self.assertEqual(second.until_ended().blocks, watcher.blocks[AT_ONE:])
        self.assertEqual(self.whole(run), watcher.blocks)

    def test_what_the_feed_told_is_not_lost_when_redis_cannot_say_what_it_did_not_tell(self):
        """Of the events that the API finds in the feed when it goes on, one is missing, and for a while the run
        cannot be read instead."""
        run = self.start()
        watcher = self.watch(run).until_seen(AT_ONE)
        redis = self.stack.redis
        self.stack.api.signal(signal.SIGSTOP)
        try:
            self.gates.open(run)
            self.stack.wait_status(run, "complete")
            for entry, fields in redis.call("XRANGE", P0 + "events", "-", "+"):
                if (pairs(fields)["run"], pairs(fields)["seq"]) == (run, str(AT_TWO + 1)):
                    redis.call("XDEL", P0 + "events", entry)
            self.stack.denies = True
            redis.call("ACL", "SETUSER", USERS["api"], "-hmget")
        finally:
            self.stack.api.signal(signal.SIGCONT)
        time.sleep(1)  # the API tries meanwhile
        redis.call("ACL", "SETUSER", USERS["api"], "+hmget")
        self.assertEqual(watcher.until_ended(20).blocks, self.whole(run))

    def test_a_watcher_of_an_api_that_ends_goes_on_at_another_one(self):
        ending = another_api(self, "api-2")
        run = self.start()
        before = [self.watch(run, port=ending.port).until_seen(AT_ONE) for _ in range(10)]
        ending.signal(signal.SIGTERM)
        told = time.monotonic()
        for watcher in before:
            watcher.until_ended(5)
        self.assertLess(time.monotonic() - told, 4)
        self.assertEqual(ending.child.wait(5), 0)
        afterwards = [self.watch(run, last=watcher.last) for watcher in before]
        self.gates.open(run)
        for one, two in zip(before, afterwards):
            self.assertEqual(len(check_events(one.blocks + two.until_ended().blocks, run)), EVENTS)


if __name__ == "__main__":
    unittest.main()
