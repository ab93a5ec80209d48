"""Documents and configurations that are none, mean harm, or are written to break what generators make of them."""
import compileall
import io
import json
import pathlib
import subprocess
import tarfile
import tempfile
import unittest
from socket import create_server

from contract import check_accepted, check_error, check_run
from pipelines import DOCUMENT, VALIDATE, VERIFY, pipelines
from stack import TOOLCHAIN, StackTest, wait_for
from unharmed import BadInputTest, memory, most_growth

MIB = 1 << 20
HEAD = 'openapi: "3.1.0"\ninfo: {title: T, version: "1"}\n'
BACKTRACKING = "^(a+)+$"
CODE = ("*/ process.exit(9) /*", '"""\nimport os\nos._exit(9)\n"""', "</script><script>alert(1)</script>",
        "`${process.exit(9)}`",
        "a\r\nb", "<img src=x onerror=alert(1)>", "{{7*7}}", "'; require('child_process')//", "\\", "#{1}",
        "--> <!--", "\u2028")
NAMES = ("__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "../../x", "/etc/passwd",
         "';process.exit()//", "class",
         "import", "None", "def", "con", "nul.txt", "a" * 10_240, "\U0001f6b2", "Same", "same", "SAME",
         "`${process.exit()}`", "a\nb", "0", "-",
         "${jndi:ldap://x}", "__import__('os').system('id')", "self", "async", "e\u0301", "\u202ex")


def document(paths=None, schemas=None, **info):
    return {"openapi": "3.0.3", "info": {"title": "T", "version": "1", **info}, "paths": paths or {},
            "components": {"schemas": schemas or {}}}


def ref(name):
    return {"$ref": f"#/components/schemas/{name}"}


def doubling(levels):
    """Each schema is twice the one before it: small to read, 2^levels to anyone who copies."""
    schemas = {"S0": {"type": "object"}}
    schemas.update({f"S{n}": {"allOf": [ref(f"S{n - 1}")] * 2} for n in range(1, levels + 1)})
    return document(schemas=schemas)


def with_schema(a, **others):
    return json.dumps(document(schemas={"A": a, **others}))


# name: (document, how its run ends). The sharp cases of size, nesting and aliases are in test_bad_documents.py.
ODD = {"null": ("null", "spec_not_openapi"), "a number": ("1", "spec_not_openapi"),
       "tabs for blanks": ("openapi: 3.1.0\ninfo:\n\ttitle: T\n", "spec_unreadable"),
       "a cycle of aliases through a merge": (HEAD + "paths: {}\nx: &x {<<: *x}\n", "spec_unreadable"),
       "a version that is a list": ("openapi: [3, 1, 0]\ninfo: {}\npaths: {}\n", "spec_not_openapi"),
       "a reference that is no text": (with_schema({"$ref": {"a": 1}}), None),
       "a reference to a data URL": (with_schema({"$ref": "data:application/json,{}"}), "spec_remote_ref"),
       "a reference to a share": (with_schema({"$ref": "\\\\host\\share"}), "spec_remote_ref"),
       "a reference that is nearly local": (with_schema({"$ref": " #/components"}), "spec_remote_ref"),
       "a reference to nothing": (with_schema(ref("None")), None), "a reference to itself": (with_schema(ref("A")),
                                                                                             None),
       "references in a circle": (with_schema(ref("B"), B=ref("A")), None),
       "a hundred thousand references": (with_schema({"properties": {f"p{n}": ref("A") for n in range(100_000)}}),
                                         None),
       "a schema doubled twenty times": (json.dumps(doubling(20)), None),
       "an enum of 300,000": (with_schema({"enum": list(range(300_000))}), None),
       "a pattern that never ends": (with_schema({"type": "string", "pattern": BACKTRACKING,
                                                  "example": "a" * 99 + "!"}), None),
       "keys of objects that have a meaning": (DOCUMENT[:-1] + ', "__proto__": {"polluted": true}}', None)}

CONFIGS = {"a list": ("[1, 2]", "config_unreadable"), "a text": ("hello", "config_unreadable"),
           "a number": ("7", "config_unreadable"),
           "not YAML": ("a: [}", "config_unreadable"), "two documents": ("a: 1\n---\nb: 2\n", "config_unreadable"),
           "an alias bomb": ("a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
               f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(9)),
                             "config_unreadable"),
           "a Python object": ("a: !!python/object/apply:os.system [id]\n", "config_unreadable"),
           "too many entries": ("{" + ",".join(f'"{n}":1' for n in range(1_000_001)) + "}", "config_unreadable"),
           "too deep": ("[" * 10_000 + "]" * 10_000, "config_unreadable"),
           "a key twice": ('{"a":1,"a":2}', "config_unreadable"),
           "paths and commands": (json.dumps({"output": "../../../../tmp/reprise-escaped", "out_dir": "/etc",
                                              "post_hooks": ["touch reprise-escaped"],
                                              "npm": "; touch reprise-escaped", "$ref": "file:///etc/passwd",
                                              "--config": "x"}), None),
           "unknown keys of every type": ('{"a":null,"b":[[]],"c":{"d":1e308},"language":7,"__proto__":{}}', None)}


class Rejected(BadInputTest):
    options = {"pipelines": pipelines(VERIFY, VALIDATE, stainless_compatible=[VERIFY, VALIDATE]), "workers": 1,
               "concurrency": 4}
    growth = 160 << 20  # its bodies are of 50 MiB

    def end_of(self, answer):
        run = check_accepted(answer, of_retry=False)["run"]["id"]
        self.stack.wait_status(run, seconds=60)
        run = self.client.get(f"/api/runs/{run}").json
        check_run(run)
        return run

    def ends_with(self, run, code):
        worker = self.stack.workers[0]
        self.assertTrue(worker.alive())
        if code is None:
            self.assertEqual(run["status"], "complete", run["steps"])
            return
        self.assertEqual(run["status"], "failed", run["steps"])
        error = run["steps"][-1]["error"]
        self.assertEqual((run["steps"][-1]["name"], error["code"]), ("validate_spec", code))
        self.assertNotRegex(error["message"], r"[\x00-\x08\x0b-\x1f\x7f]")

    def test_a_document_that_is_too_large_or_no_text_is_not_retained(self):
        head = b'{"openapiText":"'
        self.refused_start(head + b"x" * (16 * MIB + 1) + b'"}', 413, "body_too_large")
        self.refused_start(head + b"x" * (50 * MIB), 413, "body_too_large")
        self.refused_start(head + b'\xff\xfe"}', 400, "invalid_encoding")
        self.refused_start(b'{"openapiText":""}', 400, "invalid_body")
        self.refused_start(b'{"openapiText":null}', 400, "invalid_body")
        exact = DOCUMENT + " " * (16 * MIB - len(DOCUMENT))
        self.ends_with(self.end_of(self.client.start(exact, projectName="exactly 16 MiB")), None)

    def refused_start(self, body, status, code):
        with self.nothing_accepted():
            check_error(self.client.call("POST", "/api/reports/start", body), status, code)

    def test_a_document_of_three_megabytes_is_one_string_of_a_start(self):
        lines = "".join(f"  /p{n}:\n    get:\n      summary: \"quoted \\\\ and \\u00e9 \u2014 {n}\"\n      responses: {{'200': "
                        "{description: ok}}\n" for n in range(30_000))
        text = HEAD + "paths:\n" + lines
        self.assertGreater(len(text), 3_000_000)
        run = self.end_of(self.client.start(text))
        self.ends_with(run, None)
        self.assertEqual(run["inputSummary"]["document"]["operations"], 30_000)
        answer = self.client.get(f"/api/artifacts/download?runId={run['id']}&key=input.openapi")
        self.assertEqual(answer.body, text.encode())

    def test_odd_documents_end_as_they_should_and_leave_the_worker_as_it_was(self):
        before = memory(self.stack.workers[0])
        accepted = {name: self.client.start(text, projectName=name) for name, (text, _) in ODD.items()}
        for name, (_, code) in ODD.items():
            with self.subTest(name):
                self.ends_with(self.end_of(accepted[name]), code)
        self.assertLess(memory(self.stack.workers[0]) - before, 4 * most_growth(self.stack.workers[0]))

    def test_odd_configurations_fail_or_are_data_and_nothing_else(self):
        accepted = {name: self.client.start(DOCUMENT, mode="stainless_compatible", configText=text) for name,
                    (text, _) in CONFIGS.items()}
        for name, (_, code) in CONFIGS.items():
            with self.subTest(name):
                self.ends_with(self.end_of(accepted[name]), code)
        self.assertEqual([p for p in self.stack.dir.rglob("reprise-escaped")], [])
        self.assertFalse(pathlib.Path(tempfile.gettempdir(), "reprise-escaped").exists())

    def test_no_reference_is_ever_fetched(self):
        with create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            where = f"http://127.0.0.1:{listener.getsockname()[1]}"
            for target in (f"{where}/a.yaml#/A", f"//{where[7:]}/a", f"{where.upper()}/",
                           "http://169.254.169.254/latest/meta-data", "file:///etc/passwd",
                           "../x", "ftp://127.0.0.1/x", "gopher://127.0.0.1:6379/_FLUSHALL"):
                run = self.end_of(self.client.start(json.dumps(document(schemas={"A": {"$ref": target}}))))
                self.ends_with(run, "spec_remote_ref")
            with self.assertRaises(BlockingIOError):
                listener.accept()


class Generated(StackTest):
    """One document full of names and texts that are code to somebody, through the real generators."""
    options = {"workers": 1, "concurrency": 1}

    @classmethod
    def prepare(cls):
        cls.client = cls.stack.client()
        cls.listener = create_server(("127.0.0.1", 0))
        cls.addClassCleanup(cls.listener.close)
        cls.listener.setblocking(False)
        text = json.dumps(cls.hostile(f"http://127.0.0.1:{cls.listener.getsockname()[1]}"))
        run = check_accepted(cls.client.start(text), of_retry=False)["run"]["id"]
        cls.stack.wait_status(run, seconds=120)
        cls.client.close()
        cls.run_made = cls.client.get(f"/api/runs/{run}").json
        check_run(cls.run_made)

    @staticmethod
    def hostile(where):
        talk = "\n\n".join(CODE) + f"\n\n![image]({where}/i.png) <iframe src='{where}'></iframe>"
        schemas = {"A": {"type": "object", "description": talk, "properties": {
            name: {"type": "string", "description": text, "pattern": BACKTRACKING, "default": text,
                   "enum": [text, *CODE]}
            for name, text in zip(NAMES[:4] + NAMES[5:],
                                  CODE)}}}  # the linter stumbles over a property hasOwnProperty
        schemas.update({name: {"type": "object", "properties": {"x": {"type": "string"}}}
                        for name in ("__proto__", "class", "../../evil", "Same", "same")})
        paths = {f"/p{n}": {"get": {"operationId": name, "summary": CODE[n % len(CODE)], "description": talk,
                                    "tags": [CODE[n % len(CODE)]],
                                    "responses": {"200": {"description": talk,
                                                          "content": {"application/json": {"schema": ref("A")}}}}}}
                 for n, name in enumerate(NAMES)}
        return {**document(paths, schemas, title=CODE[2], description=talk,
                           **{"x-logo": {"url": where + "/logo.png"}}),
                "servers": [{"url": where}], "externalDocs": {"url": where}}

    def artifact(self, key):
        answer = self.client.get(f"/api/artifacts/download?runId={self.run_made['id']}&key={key}")
        return answer.body if answer.status == 200 else None

    def unpacked(self, key, where):
        body = self.artifact(key)
        if body is None:
            return None
        with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as archive:
            for member in archive.getmembers():
                self.assertTrue(member.isfile() and not member.name.startswith("/")
                                and ".." not in member.name.split("/"), member.name)
                self.assertNotRegex(member.name, r"[\x00-\x1f]")
            archive.extractall(where)
        return pathlib.Path(where, key.split("/")[1].split(".")[0])

    def test_each_step_has_ended_well_or_says_why_not(self):
        self.assertIn(self.run_made["status"], ("complete", "failed"))
        for step in self.run_made["steps"]:
            if step["status"] != "completed":
                self.assertIn(step["error"]["code"], ("step_failed", "step_timeout", "step_killed",
                                                      "step_output_missing"), step)
        self.assertTrue(self.stack.workers[0].alive())

    def failed(self, step):
        return next(s["status"] for s in self.run_made["steps"] if s["name"] == step) == "failed"

    def test_the_python_that_was_made_compiles_or_its_step_failed(self):
        with tempfile.TemporaryDirectory() as scratch:
            made = self.unpacked("sdk/python.tar.gz", scratch)
            self.assertEqual(made is None, self.failed("generate_python"))
            self.assertTrue(made is None or compileall.compile_dir(made, quiet=1))

    def test_the_typescript_that_was_made_compiles_or_its_step_failed(self):
        with tempfile.TemporaryDirectory() as scratch:
            made = self.unpacked("sdk/typescript.tar.gz", scratch)
            self.assertEqual(made is None, self.failed("generate_typescript"))
            tsc = ["node", TOOLCHAIN / "node_modules/typescript/bin/tsc", "-p", made, "--noEmit"]
            done = subprocess.run(tsc, capture_output=True, text=True, timeout=100, check=False) if made else None
            self.assertTrue(done is None or done.returncode == 0, done)

    def test_the_page_of_the_docs_runs_nothing_of_it(self):
        page = self.artifact("docs/index.html")
        self.assertIsNotNone(page, self.run_made["steps"])
        for words in (b"<script>alert", b"</script><script", b"<img src=x onerror", b"<iframe src='http"):
            self.assertNotIn(words, page)

    def test_nothing_left_the_host_and_nothing_its_directory(self):
        with self.assertRaises(BlockingIOError):
            self.listener.accept()
        scratch = self.stack.dir / "scratch"
        wait_for("the run's directory is gone", lambda: not any(p.is_file() for p in scratch.rglob("*")))
        self.assertEqual([p for p in self.stack.dir.rglob("*evil*")], [])


if __name__ == "__main__":
    unittest.main()
