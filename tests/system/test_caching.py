"""ETags: a 304 costs Redis next to nothing, an ETag never stands for two bodies, and If-None-Match and If-Range are
read as they should be."""
import threading
import time
import unittest

from contract import check_error
from pipelines import DOCUMENT, NOOP, VERIFY, pipelines, shell
from retrying import another_id
from stack import P0, FreshStackTest, StackTest, wait_for
from watching import Monitor, calls

STEPS = pipelines(VERIFY, shell("digits", "printf 0123456789 >digits",
                                artifacts=[{"key": "digits.txt", "path": "digits", "contentType": "text/plain"}]))
# One that goes to its end, and on the way once asks to be tried again.
AGAIN = shell("again", 'test -e "SIDE/tried" && exit 0; touch "SIDE/tried"; exit 75', attempts=3)
TRIED_TWICE = pipelines(VERIFY, AGAIN, NOOP)


def known(etag):
    return {"If-None-Match": etag}


class Cost(StackTest):
    """No worker, and no sweep during the test: Redis writes nothing but what requests make it write."""
    options = {"workers": 0, "settings": ("--sweep", 60000, "--lease", 180000)}

    @classmethod
    def prepare(cls):
        cls.client = cls.stack.client()
        cls.queued = cls.client.start(DOCUMENT).json["run"]["id"]
        cls.canceled = cls.client.start(DOCUMENT).json["run"]["id"]
        cls.client.post(f"/api/runs/{cls.canceled}/cancel")

    def writes(self):
        """What Redis has written since it started."""
        info = self.stack.redis.call("INFO", "persistence")
        return int(info.split("rdb_changes_since_last_save:")[1].split("\r\n")[0])

    def test_304_writes_nothing_and_reads_three_fields(self):
        for run in (self.queued, self.canceled):
            path = f"/api/runs/{run}"
            tag = self.client.get(path).headers["ETag"]
            written, functions = self.writes(), calls(self.stack, "fcall")
            with Monitor(self.stack) as monitor:
                answers = [self.client.get(path, headers=known(tag)) for _ in range(100)]
            self.assertEqual({(a.status, a.body, a.headers["ETag"]) for a in answers}, {(304, b"", tag)})
            self.assertEqual((self.writes(), calls(self.stack, "fcall")), (written, functions))
            self.assertEqual(monitor.naming(run), [["HMGET", f"{P0}run:{run}", "org", "seq", "status"]] * 100)
            # What is the key's and what is the fleet's is remembered for a while.
            self.assertLess(len(monitor.commands), 120, monitor.commands)

    def test_a_held_get_of_which_nothing_comes_writes_nothing_either(self):
        path, written = f"/api/runs/{self.queued}", self.writes()
        tag = self.client.get(path).headers["ETag"]
        answer = self.client.get(path, headers={**known(tag), "Prefer": "wait=1"})
        self.assertEqual((answer.status, self.writes()), (304, written))

    def test_304_has_what_a_cache_needs_and_no_body(self):
        path = f"/api/runs/{self.canceled}"
        whole = self.client.get(path)
        same = self.client.get(path, headers=known(whole.headers["ETag"]))
        self.assertEqual((same.status, same.body), (304, b""))
        for name in ("ETag", "Cache-Control"):
            self.assertEqual(same.headers[name], whole.headers[name])
        self.assertIn("no-cache", whole.headers["Cache-Control"])
        self.assertIn("private", whole.headers["Cache-Control"])
        for name in ("Content-Type", "Content-Length", "Transfer-Encoding"):
            self.assertIsNone(same.headers[name], name)
        self.assertEqual(self.client.call("HEAD", path, headers=known(whole.headers["ETag"])).status, 304)

    def test_if_none_match_is_read_as_a_list_and_compared_weakly(self):
        path = f"/api/runs/{self.canceled}"
        tag = self.client.get(path).headers["ETag"]
        self.assertRegex(tag, r'^"[^"]+"$')
        for sent in (tag, "*", f'"x", {tag}', f'{tag}, "x"', f'"x",{tag},"y"', f'"x"\t,\t{tag}', f", ,{tag}",
                     "W/" + tag, f'W/"x", W/{tag}'):
            self.assertEqual(self.client.get(path, headers=known(sent)).status, 304, sent)
        for sent in ('"x"', tag.strip('"'), tag[:-1], "w/" + tag, "W/", '""', ",", "\xff", '"' * 501, "W/*",
                     "x" * 4000):
            self.assertEqual(self.client.get(path, headers=known(sent)).status, 200, sent)

    def test_nobody_learns_of_a_foreign_run_by_its_etag(self):
        stranger = self.stack.client("stranger")
        tag = self.client.get(f"/api/runs/{self.canceled}").headers["ETag"]
        for run in (self.canceled, another_id(self.canceled)):
            for sent in (tag, "*", '"x"'):
                for prefer in ("", "wait=5"):
                    answer = stranger.get(f"/api/runs/{run}", headers={**known(sent), "Prefer": prefer})
                    check_error(answer, 404, "run_not_found")
                    self.assertIsNone(answer.headers["ETag"])


class Change(FreshStackTest):
    options = {"pipelines": TRIED_TWICE, "workers": 0}

    def setUp(self):
        super().setUp()
        text = self.stack.pipelines.read_text().replace("SIDE", str(self.stack.dir / "side"))
        self.stack.pipelines.write_text(text)
        self.key = self.stack.key()
        self.client = self.stack.client()

    def look(self, run, seen, over):
        """All bodies that an ETag was given for, as fast as they can be had."""
        client = self.stack.client()
        while not over.is_set():
            answer = client.get(f"/api/runs/{run}")
            seen.setdefault(answer.headers["ETag"], set()).add(answer.body)

    def test_an_etag_stands_for_one_body_whatever_happens_to_the_run(self):
        run = self.client.start(DOCUMENT).json["run"]["id"]
        waiting = self.client.get(f"/api/runs/{run}")
        self.assertEqual(waiting.json["verdict"], "needs_worker")
        seen, over = {}, threading.Event()
        looking = threading.Thread(target=self.look, args=(run, seen, over))
        looking.start()
        try:
            worker = self.stack.start_worker()
            ended = self.stack.wait_status(run)
            time.sleep(0.1)  # for a last look, or two
        finally:
            over.set()
            looking.join(30)
        self.assertEqual({tag for tag, bodies in seen.items() if len(bodies) > 1}, set())
        self.assertGreaterEqual(len(seen), 4)
        self.assertNotEqual(waiting.headers["ETag"], '"1"')
        last = self.client.get(f"/api/runs/{run}")
        self.assertEqual((last.headers["ETag"], last.json["status"]), (f'"{ended["seq"]}"', "complete"))
        self.changes_with_the_fleet(worker)

    def changes_with_the_fleet(self, worker):
        """A queued run of which no worker lives says so: another body, another ETag."""
        worker.stop()
        run = self.client.start(DOCUMENT).json["run"]["id"]
        answers = {}

        def looked(verdict):
            answers[verdict] = self.client.get(f"/api/runs/{run}")
            return answers[verdict].json["verdict"] == verdict
        wait_for("nobody works", lambda: looked("needs_worker"))
        tag = answers["needs_worker"].headers["ETag"]
        self.assertEqual(self.client.get(f"/api/runs/{run}", headers=known(tag)).status, 304)
        canceled = self.client.post(f"/api/runs/{run}/cancel")
        self.assertEqual(canceled.status, 200)
        self.assertEqual(self.client.get(f"/api/runs/{run}", headers=known(tag)).status, 200)


class Downloads(StackTest):
    options = {"pipelines": STEPS}

    @classmethod
    def prepare(cls):
        cls.client = cls.stack.client()
        run = cls.client.start(DOCUMENT).json["run"]["id"]
        cls.stack.wait_status(run, "complete")
        cls.paths = [f"/api/artifacts/download?runId={run}&key={key}" for key in ("digits.txt", "input.openapi")]

    def test_a_download_that_somebody_has_is_not_sent_again(self):
        for path in self.paths:
            whole = self.client.get(path)
            tag = whole.headers["ETag"]
            self.assertRegex(tag, r'^"[^"]+"$')
            for sent in (tag, "*", f'"x", {tag}', "W/" + tag):
                for more in ({}, {"Range": "bytes=0-1"}):
                    same = self.client.get(path, headers={**known(sent), **more})
                    self.assertEqual((same.status, same.body, same.headers["ETag"]), (304, b"", tag), sent)
                    self.assertEqual(same.headers["Cache-Control"], whole.headers["Cache-Control"])
            self.assertEqual(self.client.get(path, headers=known('"x"')).body, whole.body)
        check_error(self.stack.client("stranger").get(path, headers=known(tag)), 404, "run_not_found")

    def test_a_range_has_the_etag_of_the_whole(self):
        path = self.paths[0]
        tag = self.client.get(path).headers["ETag"]
        part = self.client.get(path, headers={"Range": "bytes=2-4"})
        self.assertEqual((part.status, part.body, part.headers["ETag"]), (206, b"234", tag))

    def test_a_range_of_what_has_changed_since_is_not_sent(self):
        path = self.paths[0]
        tag = self.client.get(path).headers["ETag"]
        for condition in (tag, '"x"', "W/" + tag, "Mon, 23 Nov 2026 23:37:41 GMT"):
            with self.subTest(condition=condition):
                answer = self.client.get(path, headers={"Range": "bytes=2-4", "If-Range": condition})
                expected = (206, b"234") if condition == tag else (200, b"0123456789")
                self.assertEqual((answer.status, answer.body), expected)


if __name__ == "__main__":
    unittest.main()
