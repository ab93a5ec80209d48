"""Two organisations against every route that there is: to one, what is the other's is not there."""
import unittest

from contract import check_accepted, check_error
from pipelines import BUILT_IN_ONLY, DOCUMENT
from retrying import another_id
from stack import StackTest
from test_openapi import routes

OPEN = {"/openapi.json", "/livez", "/readyz", "/dashboard", "/dashboard/", "/dashboard/{asset}"}  # to everyone
LISTS = {"/api/runs": "runs", "/api/projects": "projects", "/api/dead": "dead", "/api/bulk": "bulks", "/api/failures": "groups"}
OWN = {"/api/reports/start", "/api/me", "/api/overview", "/api/feed"}  # name nothing of anybody's, but for a project
OPERATORS = {path for (_, path), (scope, *_) in routes().items() if scope.startswith("ops:")}


class TwoOrganisations(StackTest):
    options = {"pipelines": BUILT_IN_ONLY}

    @classmethod
    def prepare(cls):
        cls.owner, cls.stranger = cls.stack.client("owner"), cls.stack.client("stranger")
        body = check_accepted(cls.owner.start(DOCUMENT), of_retry=False)
        cls.run_id, cls.project = body["run"]["id"], body["project"]["id"]
        cls.bulk = cls.owner.post("/api/bulk", {"of": "dead"}).json["bulk"]["id"]
        cls.stack.wait_status(cls.run_id, "complete")

    def setUp(self):
        self.before = self.stack.run_hash(self.run_id)

    def tearDown(self):
        self.assertEqual(self.stack.run_hash(self.run_id), self.before, "the owner's run was changed")

    def paths(self, path):
        """The owner's, and one that is nobody's."""
        if path == "/api/artifacts/download":
            return [f"{path}?runId={run}&key=input.openapi" for run in (self.run_id, another_id(self.run_id))]
        ids = {"{runId}": self.run_id, "{projectId}": self.project, "{bulkId}": self.bulk}
        name = next(name for name in ids if name in path)
        return [path.replace(name, one) for one in (ids[name], another_id(ids[name]))]

    def test_every_route_is_one_of_these(self):
        named = {path for _, path in routes() if "{" in path or path == "/api/artifacts/download"}
        self.assertEqual({path for _, path in routes()} - named, (OPEN | set(LISTS) | OWN | OPERATORS) - named)

    def test_what_is_anothers_is_answered_as_what_is_nobodys(self):
        for method, path in routes():
            if path in OPEN | set(LISTS) | OWN | OPERATORS:
                continue
            with self.subTest(method=method, path=path):
                own, foreign, nobodys = (client.call(method, one, {} if method == "POST" else None)
                                         for client, one in ((self.owner, self.paths(path)[0]),
                                                             *((self.stranger, one) for one in self.paths(path))))
                self.assertLess(own.status, 500)
                self.assertNotEqual(own.status, 404, own)
                self.assertEqual((foreign.status, foreign.body), (404, nobodys.body))
                names = [sorted(name for name, _ in answer.headers.items()) for answer in (foreign, nobodys)]
                self.assertEqual(*names)
            self.setUp()  # the owner's own call may have ended or retried it

    def test_lists_show_ones_own(self):
        for path, member in LISTS.items():
            self.assertEqual(self.stranger.get(path).json[member], [])
            for query in (f"?projectId={self.project}", f"?sourceRunId={self.run_id}", "?status=complete"):
                if path == "/api/runs":
                    self.assertEqual(self.stranger.get(path + query).json, {member: []})

    def test_what_is_for_operators_is_refused(self):
        for method, path in routes():
            if path in OPERATORS:
                answer = self.owner.call(method, path.format(workerId="w", order="stop"), {} if method == "POST" else None)
                check_error(answer, 403, "insufficient_scope")

    def test_counts_are_ones_own(self):
        self.assertEqual(set(self.stranger.get("/api/overview").json["runs"].values()) - {0, 1}, set())
        self.assertGreaterEqual(self.owner.get("/api/overview").json["runs"]["complete"], 1)

    def test_nobody_starts_a_run_in_anothers_project(self):
        check_error(self.stranger.start(DOCUMENT, projectId=self.project), 404, "project_not_found")

    def test_the_same_document_of_two_is_two_blobs(self):
        body = check_accepted(self.stranger.start(DOCUMENT), of_retry=False)
        self.assertNotEqual(body["project"]["id"], self.project)
        places = [p.parent.parent.name for p in (self.stack.dir / "blobs").glob("*/*/*") if p.is_file()]
        self.assertLessEqual({"owner", "stranger"}, set(places))


if __name__ == "__main__":
    unittest.main()
