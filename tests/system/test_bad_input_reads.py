"""Conditions, lists, event streams, artifact keys and ranges that are malformed, foreign or meant to cost much."""
import time
import unittest
from urllib.parse import quote

from contract import check_accepted, check_error, check_run
from pipelines import DOCUMENT
from raw_http import Connection, request
from retrying import another_id
from unharmed import BadInputTest, memory, most_growth

SIZE = len(DOCUMENT)
LISTS = ("/api/runs", "/api/projects", "/api/dead")
LIMITS = ("0", "-1", "1e9", "1000000000", "abc", "+1", "101", "1.0", "9" * 30, "0x1", "%00", "1%00", "%zz",
          "1&limit=", "%20" "1")
KEYS = ("../../etc/passwd", "../" * 60 + "etc/passwd", "a/..%2fb", "/etc/passwd", "%00", "input.openapi%00",
        "%00input.openapi", "x" * 1900,
        "CON", "NUL.txt", "..\\..\\x", "C:\\windows", "input.openapi/", "./input.openapi", "INPUT.OPENAPI",
        "logs/../input.openapi",
        "file:///etc/passwd", "http://169.254.169.254/", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "%252e%252e", "", ".", "*",
        "input.openapi%20",
        "input.openap%69%20", "input.", "%F0%9F%9A%B2", "%ff%fe", "';--", "input.openapi;v=1")
WHOLE = ("bytes=5-2", "items=0-1", "bytes=", "bytes=-", "bytes=a-b", "bytes=0-1,", "bytes=,", "bytes =0-1",
         "bytes=0 -1", "x", "bytes=+1-2",
         "bytes=0x1-2", "bytes=1-2-3", "bytes=--1", "bytes=" + ",".join(["0-"] * 1000),
         "bytes=" + ",".join(f"{n}-{n}" for n in range(1000)),
         "bytes=0-0,-1", "bytes=18446744073709551616-", "bytes=" + "9" * 5000 + "-")
PARTS = {"bytes=0-": (0, SIZE), "bytes=-1": (SIZE - 1, SIZE), "bytes=0-0": (0, 1), "bytes=-99999": (0, SIZE),
         "bytes=2-18446744073709551615": (2, SIZE),
         "bytes=-18446744073709551615": (0, SIZE), "bytes=0000-0001": (0, 2)}
NOWHERE = ("bytes=-0", f"bytes={SIZE}-", "bytes=99999-", "bytes=18446744073709551615-")


class Reads(BadInputTest):
    @classmethod
    def prepare(cls):
        super().prepare()
        cls.stranger = cls.stack.client("stranger")
        cls.foreign = check_accepted(cls.stranger.start(DOCUMENT), of_retry=False)["run"]["id"]
        cls.ended = check_accepted(cls.client.retry(cls.run_id), of_retry=True)["run"]["id"]
        assert cls.client.post(f"/api/runs/{cls.ended}/cancel", {"reason": "over"}).status == 200

    # --- conditions ---

    def test_a_condition_is_compared_and_never_a_mistake(self):
        target = f"/api/runs/{self.run_id}"
        etag = self.ask(self.get(target)).headers["ETag"]
        for value in ("*", etag, f"W/{etag}", f'"x", {etag}', f"{etag},,,", '"' + "x" * 5000 + f'", {etag}',
                      ",".join(f'"{n}"' for n in range(1000, 2500)) + "," + etag):
            with self.subTest(value=value[:20]):
                answer = self.ask(self.get(target, f"If-None-Match: {value}"))
                self.assertEqual((answer.status, answer.headers["ETag"]), (304, etag))
        for value in ("garbage", '"', '"x', f'{etag}x', etag.strip('"'), "x" * 10_000, ",,,", "", "W/", "W/*", "\x80",
                      f"w/{etag}"):
            with self.subTest(value=value[:20]):
                answer = self.ask(self.get(target, ("If-None-Match: " + value).encode("latin-1")))
                check_run(answer.json)
                self.assertEqual((answer.status, answer.headers["ETag"]), (200, etag))
        self.refused(self.get(f"/api/runs/{self.foreign}", "If-None-Match: *"), 404, "run_not_found")

    # --- lists ---

    def test_limits_that_are_none_are_refused(self):
        for path in LISTS:
            for limit in LIMITS:
                with self.subTest(path=path, limit=limit):
                    if limit == "1&limit=":  # the first of equal names counts
                        self.assertEqual(self.ask(self.get(f"{path}?limit={limit}")).status, 200)
                    else:
                        self.refused(self.get(f"{path}?limit={limit}"), 400, "invalid_parameter")

    def test_cursors_that_were_not_given_out_are_refused(self):
        for cursor in ("x", "0", "-1", "--", "-", self.foreign, another_id(self.run_id), self.run_id.upper(),
                       self.run_id + "%00", self.run_id + "x", f"-1-{self.run_id}-00000000",
                       f"{'9' * 17}-{self.run_id}-00000000", f"1e3-{self.run_id}-00000000", "1-x-00000000",
                       f"+inf-{self.run_id}-00000000", "1-", "%2e%2e", "x" * 1500, "*", "{p0}", "%f0%9f%9a%b2",
                       "2026-01-01"):
            for path in LISTS:
                with self.subTest(path=path, cursor=cursor[:20]):
                    self.refused(self.get(f"{path}?cursor={cursor}"), 400, "invalid_parameter")

    def test_a_cursor_that_was_changed_or_is_another_lists_is_refused(self):
        check_accepted(self.client.retry(self.run_id), of_retry=True)
        cursor = self.client.get("/api/runs?limit=1").json["nextCursor"]
        self.assertEqual(self.ask(self.get(f"/api/runs?cursor={cursor}")).status, 200)
        at, run, check = cursor.split("-")
        for changed in (f"{int(at) + 1}-{run}-{check}", f"{at}-{another_id(run)}-{check}", f"0{cursor}", cursor + "0",
                        cursor[:-1], cursor.upper()):
            self.refused(self.get(f"/api/runs?cursor={changed}"), 400, "invalid_parameter")
        for query in ("status=queued&", f"sourceRunId={self.run_id}&"):
            self.refused(self.get(f"/api/runs?{query}cursor={cursor}"), 400, "invalid_parameter")
        self.refused(request("GET", f"/api/runs?cursor={cursor}", key=self.stranger.key), 400, "invalid_parameter")

    def test_filters_that_are_none_are_refused_and_foreign_ones_find_nothing(self):
        project = self.stranger.get(f"/api/runs/{self.foreign}").json["projectId"]
        for query in ("status=bogus", "status=Queued", "status=queued%00", "status=queued,failed", "projectId=x",
                      "sourceRunId=x",
                      f"projectId={project}&sourceRunId={self.run_id}", "projectId=" + "x" * 1500, "sourceRunId=*",
                      "status=%zz"):
            self.refused(self.get("/api/runs?" + query), 400, "invalid_parameter")
        for query in (f"projectId={project}", f"sourceRunId={self.foreign}",
                      f"sourceRunId={another_id(self.run_id)}"):
            answer = self.ask(self.get("/api/runs?" + query))
            self.assertEqual((answer.status, answer.json), (200, {"runs": []}))

    # --- event streams ---

    def events(self, run, *fields):
        with Connection(self.port) as connection:
            connection.send(self.get(f"/api/runs/{run}/events", *fields))
            answer = connection.answer()
        return answer, [line[4:] for line in answer.body.decode().splitlines() if line.startswith("id: ")]

    def test_an_event_id_that_was_never_told_begins_at_the_beginning(self):
        for value in ("abc", "0", "0-0", "-1", "999", "1" * 1000, "x" * 12_000, "1,1", "1.0", "9223372036854775808",
                      "", self.foreign, "\x80"):
            with self.subTest(value=value[:20]):
                answer, ids = self.events(self.ended, ("Last-Event-ID: " + value).encode("latin-1"))
                self.assertEqual((answer.status, ids), (200, ["1", "2"]))
                self.assertNotIn(self.foreign, answer.body.decode())
        self.assertEqual(self.events(self.ended, "Last-Event-ID: 1")[1], ["2"])
        self.assertEqual(self.events(self.ended, "Last-Event-ID: 2")[0].status, 204)
        self.refused_and_closed(self.get(f"/api/runs/{self.ended}/events", "Last-Event-ID: " + "1" * 1_000_000), 431)

    def test_another_organisations_events_are_nobodys(self):
        for field in ("Last-Event-ID: 1", "Last-Event-ID: 0", "Accept: text/event-stream"):
            self.refused(self.get(f"/api/runs/{self.foreign}/events", field), 404, "run_not_found")

    # --- artifacts ---

    def download(self, key="input.openapi", *fields, run=None):
        return self.get(f"/api/artifacts/download?runId={run or self.run_id}&key={key}", *fields)

    def test_a_key_is_looked_up_and_never_a_path(self):
        for key in KEYS:
            with self.subTest(key=key[:30]):
                self.refused(self.download(quote(key, safe="%/:;")), 404, "artifact_not_found")
        self.refused_and_closed(self.download("x" * 4096), 414)
        for query in ("", "?runId=" + self.run_id, "?key=input.openapi", "?key&runId"):
            self.assertIn(self.ask(self.get("/api/artifacts/download" + query)).status, (400, 404))
        for run in (self.foreign, another_id(self.run_id), "..", "%00", "", "*"):
            self.refused(self.download(run=run) if run else self.get("/api/artifacts/download?runId=&key=x"), 404,
                         "run_not_found")

    def test_a_link_in_a_blobs_place_is_not_followed(self):
        run = check_accepted(self.client.start(DOCUMENT + "\n" * 7), of_retry=False)["run"]
        blob = next((self.stack.dir / "blobs/acme").rglob(run["inputSummary"]["openapi"]["sha256"]))
        secret = self.stack.dir / "side/secret"
        secret.write_text("top secret")
        blob.unlink()
        blob.symlink_to(secret)
        self.refused(self.download(run=run["id"]), 404, "artifact_not_found")
        self.refused(request("POST", f"/api/runs/{run['id']}/retry", key=self.key), 422, "inputs_not_retained")

    def test_ranges_are_one_part_or_the_whole_and_never_more(self):
        text = DOCUMENT.encode()
        for value, (first, end) in PARTS.items():
            answer = self.ask(self.download("input.openapi", f"Range: {value}"))
            self.assertEqual((answer.status, answer.body), (206, text[first:end]), value)
            self.assertEqual(answer.headers["Content-Range"], f"bytes {first}-{end - 1}/{SIZE}")
        for value in WHOLE:
            answer = self.ask(self.download("input.openapi", f"Range: {value}"))
            self.assertEqual((answer.status, answer.body, answer.headers["Content-Range"]), (200, text, None),
                             value[:30])
        for value in NOWHERE:
            answer = self.refused(self.download("input.openapi", f"Range: {value}"), 416, "range_not_satisfiable")
            self.assertEqual(answer.headers["Content-Range"], f"bytes */{SIZE}")

    def test_a_part_of_other_bytes_than_those_known_is_not_sent(self):
        etag = self.ask(self.download()).headers["ETag"]
        self.assertEqual(self.ask(self.download("input.openapi", f"If-Range: {etag}", "Range: bytes=0-1")).status,
                         206)
        for other in ('"x"', f"W/{etag}", "Mon, 23 Nov 2026 00:00:00 GMT", "x"):
            answer = self.ask(self.download("input.openapi", f"If-Range: {other}", "Range: bytes=0-1"))
            self.assertEqual((answer.status, len(answer.body)), (200, SIZE), other)

    def test_reading_at_a_great_pace_costs_no_memory(self):
        before, began = memory(self.stack.api), time.monotonic()
        with Connection(self.port, timeout=30) as connection:
            for _ in range(20):
                connection.send(self.download("input.openapi", "Range: " + WHOLE[14]) * 3
                                + self.get("/api/runs?limit=100"))
                self.assertEqual([connection.answer().status for _ in range(4)], [200] * 4)
        self.assertLess(memory(self.stack.api) - before, most_growth(self.stack.api, 32 << 20))
        self.assertLess(time.monotonic() - began, 20)
        check_error(self.ask(self.get("/api/runs?limit=1000")), 400, "invalid_parameter")


if __name__ == "__main__":
    unittest.main()
