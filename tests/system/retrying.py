"""What the tests of retry share."""
import hashlib

from contract import check_accepted, check_error
from pipelines import BUILT_IN_ONLY, DOCUMENT
from stack import P0, StackTest, wait_for

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def another_id(run):
    """Well-formed, and nobody's."""
    return run[:-1] + ALPHABET[(ALPHABET.index(run[-1]) + 1) % 32]


class RetryTest(StackTest):
    options = {"pipelines": BUILT_IN_ONLY}
    orgs = 0

    def setUp(self):
        type(self).orgs += 1
        self.org = f"org-{self.orgs}"
        self.client = self.stack.client(self.org)

    def start(self, text=DOCUMENT, client=None, **fields):
        """A run that has ended, started for this test; a document of its own, so that its blob is too."""
        text += "\n" * self.orgs
        body = check_accepted((client or self.client).start(text, **fields), of_retry=False)
        if self.stack.workers:
            self.stack.wait_status(body["run"]["id"], "complete")
        self.text, self.project = text, body["project"]["id"]
        return body["run"]["id"]

    def blob(self, text=None):
        sha = hashlib.sha256((text or self.text).encode()).hexdigest()
        return self.stack.dir / "blobs" / self.org / sha[:2] / sha

    def everything(self):
        """All that an accepted run would change, once nothing is at work."""
        redis, stats = self.stack.redis, self.stack.stats
        if self.stack.workers:
            wait_for("no run is at work", lambda: stats().get("queued") == 0 and stats().get("running") == 0)
        streams = [redis.call("XINFO", "STREAM", P0 + name) for name in ("queue:default", "queue:again", "events")]
        return {"runs": redis.call("ZRANGE", f"{P0}runs:{self.org}", 0, -1), "accepted": self.stack.stats()["accepted"],
                "added": [s[s.index("entries-added") + 1] for s in streams], "org": redis.hash(f"{P0}org:{self.org}"),
                "project": redis.hash(f"{P0}project:{self.project}"), "hashes": len(redis.call("KEYS", P0 + "run:*")),
                "retries": len(redis.call("KEYS", P0 + "retries:*")), "idem": len(redis.call("KEYS", P0 + "idem:*"))}

    def refused(self, status, code, run, client=None, body=None, **more):
        before = self.everything()
        answer = (client or self.client).post(f"/api/runs/{run}/retry", body, **more)
        message = check_error(answer, status, code)
        self.assertEqual(self.everything(), before, "a refused retry changed something")
        return answer, message
