"""A TypeScript client that a generator makes of our OpenAPI document compiles, and works against the server."""
import json
import pathlib
import shutil
import subprocess
import unittest

from documented import FILE
from pipelines import VERIFY, pipelines, shell
from stack import TOOLCHAIN, StackTest

DRIVER = pathlib.Path(__file__).resolve().parent / "typed_client/drive.ts"
HELLO = shell("hello", "printf 'hello, world' > hello.txt",
              artifacts=[{"key": "reports/hello.txt", "path": "hello.txt", "contentType": "text/plain"}])
HANG = shell("hang", "exec sleep 300", timeoutSeconds=300)


class TypedClient(StackTest):
    options = {"pipelines": pipelines(VERIFY, HELLO, stainless_compatible=[VERIFY, HANG]), "concurrency": 1}

    @classmethod
    def prepare(cls):
        cls.package = cls.stack.dir / "client"
        cls.node(["-r", TOOLCHAIN / "offline.cjs", TOOLCHAIN / "generate-typescript.mjs", FILE, cls.package])
        shutil.copy(DRIVER, cls.package / "src")

    @classmethod
    def node(cls, words, seconds=120):
        done = subprocess.run(["node", *map(str, words)], cwd=cls.stack.dir, capture_output=True, text=True,
                              timeout=seconds, check=False)
        if done.returncode != 0:
            raise AssertionError(f"node ended with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
        return done.stdout

    def compile(self):
        return self.node([TOOLCHAIN / "node_modules/typescript/bin/tsc", "-p", self.package])

    def test_the_client_does_all_that_a_caller_does(self):
        self.compile()
        out = self.node([self.package / "dist/drive.js", f"http://127.0.0.1:{self.stack.port}", self.stack.key()])
        told = json.loads(out.splitlines()[-1])
        ends = {"hanging": "canceled", "queued": "canceled", "retried": "complete", "withoutBody": "complete"}
        self.assertEqual({name: self.stack.run_hash(told[name])["status"] for name in ends}, ends)
        self.assertEqual(self.stack.run_hash(told["retried"])["source"], told["queued"])
        self.assertEqual(self.stack.stats()["accepted"], 4)

    def test_the_compiler_refuses_what_the_document_rules_out(self):
        """The types are worth something: each of these lines alone does not compile."""
        wrong = ["startRun({ body: {} })", "startRun({ body: { openapiText: '', mode: 'no such mode' } })",
                 "retryRun({})", "retryRun({ path: { runId: 'r' }, body: { reason: 1 } })",
                 "listRuns({ query: { status: 'done' } })", "downloadArtifact({ query: { runId: 'r' } })",
                 "getRun({ path: { runId: 'r' } }).then(({ data }) => data?.status === 'done')",
                 "getRun({ path: { runId: 'r' } }).then(({ data }) => data?.state)"]
        names = "startRun, retryRun, listRuns, downloadArtifact, getRun"
        extra = self.package / "src/wrong.ts"
        extra.write_text(f"import {{ {names} }} from './sdk.gen.js';\n" + "".join(f"void {one};\n" for one in wrong))
        self.addCleanup(extra.unlink)
        with self.assertRaises(AssertionError) as refusal:
            self.compile()
        lines = {int(part.split(",")[0]) - 1 for part in str(refusal.exception).split("src/wrong.ts(")[1:]}
        self.assertEqual(lines, set(range(1, len(wrong) + 1)), str(refusal.exception))


if __name__ == "__main__":
    unittest.main()
