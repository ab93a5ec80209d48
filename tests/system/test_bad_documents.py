"""Documents that are no OpenAPI documents, or mean harm: the run fails in validate_spec with a reason, the worker lives on."""
import json
import re
import unittest

from contract import check_accepted, check_run
from pipelines import DOCUMENT, VALIDATE, VERIFY, pipelines
from stack import DOCUMENTS, ROOT, StackTest

CODES = set(re.findall(r"^CODE\((\w+),", (ROOT / "common/error_codes.def").read_text(), re.M))
HEAD = 'openapi: "3.1.0"\ninfo: {title: T, version: "1"}\n'


def with_ref(ref):
    return json.dumps({"openapi": "3.0.3", "info": {"title": "T", "version": "1"}, "paths": {},
                       "components": {"schemas": {"A": {"$ref": ref}}}})


def bomb():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    return HEAD + "paths: {}\n" + "\n".join(lines) + "\n"


def merge_bomb():
    lines = ["m0: &m0 {k: 1}"] + [f"m{n}: &m{n} {{a{n}: *m{n - 1}, b{n}: *m{n - 1}, <<: *m{n - 1}}}" for n in range(1, 40)]
    return HEAD + "paths: {}\n" + "\n".join(lines) + "\n"


# name: (document, code, what the message must name)
BAD = {
    "Swagger 2.0": ('swagger: "2.0"\ninfo: {title: T, version: "1"}\npaths: {}\n', "spec_not_openapi", "Swagger 2.0"),
    "OpenAPI 4": (HEAD.replace("3.1.0", "4.0.0") + "paths: {}\n", "spec_not_openapi", "4.0.0"),
    "some other JSON": ('{"name": "package", "version": "1.0.0"}', "spec_not_openapi", "openapi"),
    "some other YAML": ("services: {web: {image: x}}\n", "spec_not_openapi", "openapi"),
    "a list": ("[1, 2, 3]", "spec_not_openapi", "object"),
    "a text": ("hello, this is not a document", "spec_not_openapi", "object"),
    "only blanks": ("  \n\t\n", "spec_unreadable", ""),
    "only a comment": ("# nothing\n", "spec_unreadable", ""),
    "an empty object": ("{}", "spec_not_openapi", "openapi"),
    "no info": ('openapi: "3.0.0"\npaths: {}\n', "spec_not_openapi", "info"),
    "no paths": (HEAD, "spec_not_openapi", "paths"),
    "paths that are a list": (HEAD + "paths: []\n", "spec_not_openapi", "paths"),
    "half a JSON object": ('{"openapi": "3.0.3", "info": {', "spec_unreadable", ""),
    "broken YAML": (HEAD + "paths: [}\n", "spec_unreadable", "line"),
    "a bomb of aliases": (bomb(), "spec_too_large", ""),
    "a bomb of merge keys": (merge_bomb(), "spec_too_large", ""),
    "an alias to itself": (HEAD + "paths: &p {a: *p}\n", "spec_unreadable", ""),
    "10,000 levels of JSON": ('{"openapi": "3.0.3", "x": ' + "[" * 10_000 + "]" * 10_000 + "}", "spec_too_large", "64"),
    "10,000 levels of JSON objects": ('{"x":' * 10_000 + "1" + "}" * 10_000, "spec_too_large", "64"),
    "10,000 levels of flow YAML": (HEAD + "x: " + "[" * 10_000 + "]" * 10_000, "spec_too_large", "64"),
    "10,000 levels of block YAML": (HEAD + "x:\n" + "- " * 10_000 + "a\n", "spec_too_large", "64"),
    "10,000 levels, never closed": ("{a: [" * 5_000, "spec_too_large", "64"),
    "over a million nodes": ('{"x": [' + "1," * 1_000_001 + "1]}", "spec_too_large", "nodes"),
    "a reference over HTTP": (with_ref("https://example.com/a.yaml#/A"), "spec_remote_ref", "https://example.com/a.yaml"),
    "a reference to a file": (with_ref("file:///etc/passwd"), "spec_remote_ref", "file:///etc/passwd"),
    "a relative reference": (with_ref("./other.yaml#/A"), "spec_remote_ref", "./other.yaml"),
    "a reference up the tree": (with_ref("../../etc/passwd"), "spec_remote_ref", "../../etc/passwd"),
    "a reference without a scheme": (with_ref("//example.com/a"), "spec_remote_ref", "//example.com/a"),
    "an external example": (HEAD + "paths: {}\ncomponents: {examples: {e: {$ref: 'http://169.254.169.254/'}}}\n",
                            "spec_remote_ref", "169.254"),
    "a key twice in JSON": ('{"openapi": "3.0.3", "info": {"title": "a", "title": "b"}}', "spec_unreadable", "title"),
    "a key twice in YAML": (HEAD + "paths: {}\ninfo: {}\n", "spec_unreadable", "info"),
    "a Python object": (HEAD + "paths: {}\nx: !!python/object/apply:os.system ['touch /tmp/x']\n", "spec_unreadable", "python"),
    "a JavaScript function": (HEAD + 'paths: {}\nx: !!js/function "function() {}"\n', "spec_unreadable", "js/function"),
    "two documents": (DOCUMENT + "\n---\n" + DOCUMENT, "spec_unreadable", ""),
    "two YAML documents": (HEAD + "paths: {}\n---\n" + HEAD + "paths: {}\n", "spec_unreadable", "document"),
    "a key that is a map": (HEAD + "paths: {? {a: b} : c}\n", "spec_unreadable", ""),
    "a NUL": (HEAD + "paths: {}\nx: a\0b\n", "spec_unreadable", ""),
    "bytes that were another encoding": (DOCUMENT.encode("utf-16-le").decode("latin-1"), "spec_unreadable", ""),
    "a byte order mark of UTF-16": ("\xff\xfe" + DOCUMENT, None, ""),
}
GOOD = {
    "JSON": DOCUMENT,
    "YAML": HEAD + "paths: {}\n",
    "flow YAML": "{openapi: 3.0.3, info: {title: T, version: '1'}, paths: {}}",
    "YAML with a byte order mark": "\ufeff" + HEAD + "paths: {}\n",
    "aliases and merge keys": HEAD + "x-a: &a {b: 1}\nx-c: {<<: *a, d: *a}\npaths: {}\n",
    "references within, cycles too": with_ref("#/components/schemas/A"),
    "63 levels": HEAD + "paths: {}\nx: " + "[" * 62 + "]" * 62 + "\n",
    "only webhooks": HEAD + "webhooks: {}\n",
    "an end marker": HEAD + "paths: {}\n...\n",
    "carriage returns": (HEAD + "paths: {}\n").replace("\n", "\r\n"),
    "unusual text": HEAD + 'paths: {}\nx-text: "\u202e\U0001f6b2 \\u0000 <script>"\n',
}


class BadDocuments(StackTest):
    options = {"pipelines": pipelines(VERIFY, VALIDATE), "concurrency": 4}

    @classmethod
    def prepare(cls):
        cls.client = cls.stack.client()
        texts = {**{name: bad[0] for name, bad in BAD.items()}, **GOOD}
        cls.accepted = {name: cls.client.start(text, projectName=name) for name, text in texts.items()}

    def ended(self, name):
        body = check_accepted(self.accepted[name], of_retry=False)
        self.stack.wait_status(body["run"]["id"])
        run = self.client.get(f"/api/runs/{body['run']['id']}").json
        check_run(run)
        return run

    def test_each_bad_document_fails_in_validate_spec_with_a_code_and_a_reason(self):
        for name, (_, code, word) in BAD.items():
            with self.subTest(name):
                run = self.ended(name)
                self.assertEqual((run["status"], run["verdict"]), ("failed", "failed"), run["steps"])
                self.assertEqual([(s["name"], s["status"]) for s in run["steps"]],
                                 [("verify_inputs", "completed"), ("validate_spec", "failed")])
                error = run["steps"][1]["error"]
                self.assertIn(error["code"], CODES)
                self.assertIn(error["code"], [code] if code else ["spec_unreadable", "spec_not_openapi"], error)
                self.assertGreater(len(error["message"]), 10)
                self.assertIn(word, error["message"])
                self.assertNotRegex(error["message"], r"[\x00-\x08\x0b-\x1f]")

    def test_the_log_of_the_step_says_the_same(self):
        run = self.ended("Swagger 2.0")
        log = self.client.get(f"/api/artifacts/download?runId={run['id']}&key=logs/validate_spec.txt")
        self.assertEqual(log.status, 200)
        self.assertIn(run["steps"][1]["error"]["message"], log.body.decode())
        self.assertIn("spec_not_openapi", log.body.decode())

    def test_good_documents_between_them_end_well(self):
        for name in GOOD:
            with self.subTest(name):
                run = self.ended(name)
                self.assertEqual((run["status"], run["verdict"]), ("complete", "generated"), run["steps"])

    def test_what_the_next_steps_read_is_plain_json_of_the_same_document(self):
        run = self.ended("aliases and merge keys")
        answer = self.client.get(f"/api/artifacts/download?runId={run['id']}&key=document/openapi.json")
        self.assertEqual(answer.json["x-c"], {"b": 1, "d": {"b": 1}})
        self.assertEqual(answer.json["info"], {"title": "T", "version": "1"})

    def test_a_bad_document_can_be_retried_and_fails_again_for_the_same_reason(self):
        run = self.ended("a Python object")
        again = check_accepted(self.client.retry(run["id"]), of_retry=True)["run"]["id"]
        self.stack.wait_status(again, "failed")
        errors = [self.client.get(f"/api/runs/{r}").json["steps"][1]["error"] for r in (run["id"], again)]
        self.assertEqual(errors[0], errors[1])

    def test_a_configuration_that_is_none_fails_with_a_code_of_its_own(self):
        body = check_accepted(self.client.start(DOCUMENT, mode="stainless_compatible", configText="a: [}"), of_retry=False)
        self.stack.wait_status(body["run"]["id"], "failed")
        error = self.client.get(f"/api/runs/{body['run']['id']}").json["steps"][1]["error"]
        self.assertEqual(error["code"], "config_unreadable")

    def test_the_worker_is_the_same_process_afterwards_and_does_good_work(self):
        for name in BAD:
            self.ended(name)
        worker = self.stack.workers[0]
        self.assertTrue(worker.alive())
        body = check_accepted(self.client.start((DOCUMENTS / "bookshop.yaml").read_text()), of_retry=False)
        run = self.stack.wait_status(body["run"]["id"], "complete")
        self.assertEqual(run["worker"], worker.id)
        self.assertEqual(self.stack.stats()["failed"] >= len(BAD), True)


if __name__ == "__main__":
    unittest.main()
