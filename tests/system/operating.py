"""A stack, and the client at it with an operator's key and an organisation's."""
import json
import os
import subprocess
import sys

from contract import check_accepted
from pipelines import DOCUMENT, VERIFY, pipelines, shell
from stack import ROOT, StackTest

CLIENT = [sys.executable, str(ROOT / "scripts/reprise")]
WAITS = shell("wait", 'until test -e "$0/go"; do sleep 0.02; done', timeoutSeconds=60)
FAILS = shell("brittle", 'test -e "$0/mended" || { echo no >&2; exit 3; }', attempts=1)
HOSTILE = "night\x1b[31m \x9b2J \u202eback\r\nnext"
STEERS = r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]"


class ClientTest(StackTest):
    options = {"pipelines": pipelines(VERIFY, WAITS, stainless_compatible=[VERIFY, FAILS]), "workers": 0, "concurrency": 4}

    @classmethod
    def prepare(cls):
        cls.side = cls.stack.dir / "side"
        cls.stack.pipelines.write_text(cls.stack.pipelines.read_text().replace("$0", str(cls.side)))
        cls.worker = cls.stack.start_worker()
        cls.ops_key, cls.key = cls.stack.key("*", "ops:read,ops:write", user="grace"), cls.stack.key("acme", user="ada")
        cls.ops, cls.acme = cls.stack.client("*", "ops:read,ops:write"), cls.stack.client("acme")

    def environment(self, **more):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("REPRISE_")}
        return kept | {"REPRISE_URL": f"http://127.0.0.1:{self.stack.port}", "REPRISE_API_KEY": self.key,
                       "REPRISE_OPS_KEY": self.ops_key} | more

    def ask(self, *words, status=0, **environment):
        done = subprocess.run([*CLIENT, *words], env=self.environment(**environment), capture_output=True, text=True, timeout=60,
                              check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertNotRegex(done.stderr if "--json" in words else done.stdout + done.stderr, STEERS)
        return done

    def said(self, *words, **more):
        return self.ask(*words, **more).stdout

    def told(self, *words, **more):
        return json.loads(self.said(*words, "--json", **more))

    def start(self, client=None, **more):
        return check_accepted((client or self.acme).start(DOCUMENT, **more), of_retry=False)["run"]["id"]

    def start_failing(self):
        return self.start(mode="stainless_compatible", configText="{}")

    def begin(self, *words):
        child = subprocess.Popen([*CLIENT, *words], env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 text=True)
        self.addCleanup(child.communicate)
        self.addCleanup(child.kill)
        return child
