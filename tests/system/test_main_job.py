"""The main job with the real generators: a document becomes SDKs, docs and a verdict, and a retry does it once more."""
import compileall
import hashlib
import html.parser
import io
import json
import pathlib
import subprocess
import tarfile
import tempfile
import unittest

from contract import check_accepted, check_run, time_of
from stack import DOCUMENTS, ROOT, TOOLCHAIN, StackTest

STEPS = ["verify_inputs", "validate_spec", "generate_typescript", "generate_python", "docs_preview", "quality_gate"]
ARTIFACTS = {"input.openapi", "document/openapi.json", "reports/lint.json", "sdk/typescript.tar.gz", "sdk/python.tar.gz",
             "docs/index.html", *(f"logs/{step}.txt" for step in STEPS)}
INPUTS = {"bookshop": DOCUMENTS / "bookshop.yaml", "bicycle-share": ROOT / "scripts/demo-assets/bicycle-share.yaml"}


class Loads(html.parser.HTMLParser):
    """What a page would load from elsewhere as soon as it is opened."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if tag in ("script", "link", "img", "iframe", "source") and name in ("src", "href", "srcset"):
                if (value or "").strip().lower().startswith(("http:", "https:", "//")):
                    self.found.append(f"<{tag} {name}={value}>")


class MainJob(StackTest):
    options = {"workers": 2, "concurrency": 1}

    @classmethod
    def prepare(cls):
        cls.client = cls.stack.client()
        cls.sources = {}
        for name, file in INPUTS.items():
            cls.sources[name] = check_accepted(
                cls.client.start(file.read_text(), openapiFileName=file.name, notes="from " + name), of_retry=False)
        cls.first = {name: cls.ended(body["run"]["id"]) for name, body in cls.sources.items()}
        cls.before = {name: cls.stack.run_hash(run["id"]) for name, run in cls.first.items()}
        cls.retries = {name: check_accepted(cls.client.retry(run["id"], reason="once more"), of_retry=True)
                       for name, run in cls.first.items()}
        cls.second = {name: cls.ended(body["run"]["id"]) for name, body in cls.retries.items()}

    @classmethod
    def ended(cls, run):
        cls.stack.wait_status(run, seconds=90)
        answer = cls.client.get(f"/api/runs/{run}")
        check_run(answer.json)
        return answer.json

    def every_run(self):
        return [*self.first.values(), *self.second.values()]

    def download(self, run, key):
        answer = self.client.get(f"/api/artifacts/download?runId={run['id']}&key={key}")
        self.assertEqual(answer.status, 200, answer)
        return answer

    def unpack(self, run, key, where):
        with tarfile.open(fileobj=io.BytesIO(self.download(run, key).body), mode="r:gz") as archive:
            for member in archive.getmembers():
                self.assertTrue(member.isfile() and not member.name.startswith("/") and ".." not in member.name, member.name)
            archive.extractall(where)
        tops = list(pathlib.Path(where).iterdir())
        self.assertEqual(len(tops), 1, tops)
        return tops[0]

    def test_every_run_ends_well_with_all_its_steps(self):
        for run in self.every_run():
            self.assertIn(run["status"], ("ready", "complete"), run)
            self.assertEqual([s["name"] for s in run["steps"]], STEPS)
            for step in run["steps"]:
                self.assertEqual((step["status"], step["attempt"]), ("completed", 1), step)
                self.assertLessEqual(time_of(step["startedAt"]), time_of(step["completedAt"]))
            self.assertEqual(run["status"] == "ready", run["verdict"] == "ready")
            self.assertIn(run["verdict"], ("ready", "needs_review", "not_ready"))
            self.assertNotIn("currentStep", run)
            self.assertLess(time_of(run["createdAt"]), time_of(run["completedAt"]))
            lint = run["artifactManifest"]["quality"]["lint"]
            self.assertEqual(run["status"] == "ready", lint == {"errors": 0, "warnings": 0})

    def test_every_artifact_is_there_with_the_bytes_that_the_manifest_names(self):
        for run in self.every_run():
            artifacts = {a["key"]: a for a in run["artifactManifest"]["artifacts"]}
            self.assertEqual(set(artifacts), ARTIFACTS)
            for key, artifact in artifacts.items():
                answer = self.client.get(artifact["href"])
                self.assertEqual(answer.status, 200, answer)
                self.assertEqual(len(answer.body), artifact["bytes"], key)
                self.assertEqual(hashlib.sha256(answer.body).hexdigest(), artifact["sha256"], key)
                self.assertEqual(answer.headers["Content-Type"], artifact["contentType"], key)
            of_steps = {key for step in run["steps"] for key in step["artifacts"]}
            self.assertEqual(of_steps, ARTIFACTS - {"input.openapi"})

    def test_the_input_is_kept_byte_for_byte_and_described(self):
        for name, file in INPUTS.items():
            for run in (self.first[name], self.second[name]):
                self.assertEqual(self.download(run, "input.openapi").body, file.read_bytes())
                summary = run["inputSummary"]["openapi"]
                self.assertEqual((summary["fileName"], summary["bytes"]), (file.name, file.stat().st_size))
                self.assertEqual(summary["sha256"], hashlib.sha256(file.read_bytes()).hexdigest())
        self.assertEqual(self.first["bookshop"]["inputSummary"]["document"],
                         {"title": "Bookshop", "version": "2.1", "openapi": "3.0.3", "operations": 3})

    def test_the_lint_report_counts_what_the_verdict_says(self):
        for run in self.every_run():
            report = json.loads(self.download(run, "reports/lint.json").body)
            lint = run["artifactManifest"]["quality"]["lint"]
            self.assertEqual(lint, {"errors": report["totals"]["errors"], "warnings": report["totals"]["warnings"]})

    def test_the_typescript_bundle_passes_the_pinned_compiler(self):
        for name, run in self.second.items():
            with self.subTest(document=name), tempfile.TemporaryDirectory() as scratch:
                bundle = self.unpack(run, "sdk/typescript.tar.gz", scratch)
                self.assertTrue((bundle / "tsconfig.json").is_file(), sorted(bundle.iterdir()))
                tsc = [str(TOOLCHAIN / "node_modules/typescript/bin/tsc"), "-p", str(bundle), "--noEmit"]
                done = subprocess.run(["node", *tsc], capture_output=True, text=True, timeout=100, check=False)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_python_bundle_compiles(self):
        for name, run in self.second.items():
            with self.subTest(document=name), tempfile.TemporaryDirectory() as scratch:
                bundle = self.unpack(run, "sdk/python.tar.gz", scratch)
                modules = list(bundle.rglob("*.py"))
                self.assertGreater(len(modules), 5)
                self.assertTrue(compileall.compile_dir(bundle, quiet=1))

    def test_the_docs_page_loads_nothing_from_elsewhere(self):
        for run in self.every_run():
            page = self.download(run, "docs/index.html").body.decode()
            loads = Loads()
            loads.feed(page)
            self.assertEqual(loads.found, [])
            self.assertNotRegex(page, r"@import\s+(url\()?['\"]?https?:")
            self.assertIn(run["inputSummary"]["document"]["title"], page)

    def test_a_retry_is_a_new_run_of_the_same_project_with_its_lineage(self):
        for name, first in self.first.items():
            accepted, second = self.retries[name], self.second[name]
            self.assertNotEqual(first["id"], second["id"])
            self.assertEqual(accepted["sourceRun"], first)
            self.assertEqual(accepted["run"]["status"], "queued")
            self.assertEqual(accepted["project"]["id"], first["projectId"])
            self.assertEqual(second["inputSummary"]["lineage"],
                             {"retryOf": first["id"], "rootRun": first["id"], "retryNumber": 1, "reason": "once more"})
            self.assertNotIn("lineage", first["inputSummary"])
            self.assertEqual((second["notes"], second["mode"]), (first["notes"], first["mode"]))

    def test_a_retry_leaves_its_source_as_it_was(self):
        for name, first in self.first.items():
            self.assertEqual(self.stack.run_hash(first["id"]), self.before[name])
            self.assertEqual(self.client.get(f"/api/runs/{first['id']}").json, first)

    def test_a_retry_comes_to_the_same_end(self):
        for name, first in self.first.items():
            second = self.second[name]
            self.assertEqual((first["status"], first["verdict"]), (second["status"], second["verdict"]))
            self.assertEqual(first["artifactManifest"]["quality"], second["artifactManifest"]["quality"])
            for run in (first, second):
                self.assertTrue(all(run["id"] in a["href"] for a in run["artifactManifest"]["artifacts"]))


if __name__ == "__main__":
    unittest.main()
