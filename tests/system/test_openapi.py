"""The OpenAPI document tells of the API that is there: the program's routes and codes, the contract's schemas."""
import json
import os
import re
import subprocess
import tempfile
import unittest

from documented import FILE, Document
from stack import ROOT, TOOLCHAIN

PROJECT_MODES = ["flagship", "stainless_compatible", "custom", "openapi", "stainless_migration"]

# The contract's four schemas as it has them. Where it says `object` or `array` and no more, the document may say in a
# schema of its own what is inside; its four must have no field, type, enum or requirement more or less than these.
CONTRACT = {
    "Project": ({"id": "string", "name": "string", "apiName": "string",
                 "mode": PROJECT_MODES, "status": ["created", "active", "archived"], "createdAt": "string",
                 "updatedAt": "string", "runCount": "integer"}, ["id", "name", "createdAt"]),
    "Run": ({"id": "string", "orgId": "string", "projectId": "string", "createdByUserId": "string",
             "status": ["queued", "running", "blocked", "complete", "ready", "failed", "expired", "canceled"],
             "mode": [*PROJECT_MODES, "stainless", "reference-sample"],
             "verdict": ["queued", "generated", "ready", "needs_review", "not_ready", "needs_worker", "needs_setup",
                         "failed", "canceled"],
             "createdAt": "string", "completedAt": "string", "steps": "array", "inputSummary": "object",
             "notes": "string", "currentStep": "string", "artifactManifest": "ArtifactManifest"},
            ["id", "projectId", "status", "createdAt"]),
    "ArtifactManifest": ({"version": "integer", "runId": "string", "organizationId": "string", "projectId": "string",
                          "quality": "object", "artifacts": "array", "expiresAt": "string",
                          "updatedAt": "string"}, []),
    "Error": ({"error": "string", "message": "string"}, ["error"]),
}

# Codes that no operation can name: there is none.
OF_NO_OPERATION = {"not_found": 404, "method_not_allowed": 405}


def error_codes():
    """name -> (status, meaning), of the program's one table."""
    table = (ROOT / "common/error_codes.def").read_text("utf-8")
    return {name: (int(status), meaning)
            for name, status, meaning in re.findall(r'^CODE\((\w+), (\d+), "(.*)"\)', table, re.MULTILINE)}


def routes():
    """(method, path) -> [scope, name of the body's limit, name of the body's fields], of the program's one table."""
    source = (ROOT / "api/routes.cpp").read_text("utf-8")
    row = r'\{http::verb::(\w+),\s*"([^"]+)",\s*"([^"]*)",\s*(\w+),\s*(\w+|\{\}),'
    return {(method.upper(), path): facts for method, path, *facts in re.findall(row, source)}


def body_fields(name):
    """name of a field -> most characters, or None."""
    source = (ROOT / "api/routes.cpp").read_text("utf-8")
    table = re.search(name + r"\{\{(.*?)\}\};", source, re.DOTALL).group(1)
    rows = re.findall(r'\{"(\w+)",\s*(\w+)\}', table)
    return {field: int(most) if most.isdigit() else None for field, most in rows}


def media_examples(node):
    """Every (schema, example) below `node`."""
    if isinstance(node, list):
        for part in node:
            yield from media_examples(part)
    elif isinstance(node, dict):
        if "schema" in node and "example" in node:
            yield node["schema"], node["example"]
        if "schema" in node:
            yield from ((node["schema"], one["value"]) for one in node.get("examples", {}).values())
        if isinstance(node.get("examples"), list):
            yield from ((node, one) for one in node["examples"])
        for part in node.values():
            yield from media_examples(part)


class TheDocument(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.document = Document()

    def test_its_operations_are_the_programs_routes_with_their_scopes(self):
        table = routes()
        self.assertGreater(len(table), 10, "the table of routes was not read")
        scopes = {key: "".join(word for rule in operation["security"] for word in rule["bearer"])
                  for key, operation in self.document.operations.items()}
        wanted = {key: "" if scope == "any" else scope for key, (scope, _, _) in table.items()}
        self.assertEqual(scopes, wanted)
        open_to_all = {key for key, operation in self.document.operations.items() if not operation["security"]}
        self.assertEqual(open_to_all, {key for key, (scope, _, _) in table.items() if scope == ""})

    def test_its_request_bodies_are_those_that_routes_take(self):
        for key, (_, limit, fields) in routes().items():
            with self.subTest(route=key):
                body = self.document.operations[key].get("requestBody")
                self.assertEqual(body is not None, limit != "0")
                if body is None:
                    continue
                schema = self.document.schemas.resolve(body["content"]["application/json"]["schema"])
                taken = body_fields(fields)
                self.assertEqual(set(schema["properties"]), set(taken))
                for name, part in schema["properties"].items():
                    part = self.document.schemas.resolve(part)
                    if "enum" not in part:  # which limits the length as well
                        self.assertEqual(part.get("maxLength"), taken[name], name)

    def test_every_parameter_of_a_path_is_declared(self):
        for path, item in self.document.tree["paths"].items():
            declared = [self.document.schemas.resolve(p)["name"] for p in item.get("parameters", [])]
            self.assertEqual(declared, re.findall(r"\{(\w+)\}", path))

    def test_its_codes_are_the_programs_with_their_status_and_meaning(self):
        table = error_codes()
        self.assertGreater(len(table), 40, "the table of codes was not read")
        tree = self.document.tree
        self.assertEqual({name: (code["status"], code["meaning"]) for name, code in tree["x-error-codes"].items()},
                         {name: known for name, known in table.items() if known[0] != 0})
        self.assertEqual(tree["x-run-error-codes"],
                         {name: meaning for name, (status, meaning) in table.items() if status == 0})

    def test_every_code_is_named_where_it_can_come_and_under_its_own_status(self):
        table, named = error_codes(), set(OF_NO_OPERATION)
        for name, status in OF_NO_OPERATION.items():
            self.assertEqual(table[name][0], status)
        for key, operation in self.document.operations.items():
            for status, codes in self.document.codes(operation).items():
                self.assertTrue(codes, f"{key} names no code for {status}")
                for code in codes:
                    self.assertEqual(table[code][0], status, f"{code} of {key}")
                named.update(codes)
        self.assertEqual(named, {name for name, (status, _) in table.items() if status != 0})

    def test_its_four_schemas_are_the_contracts(self):
        for name, (fields, required) in CONTRACT.items():
            with self.subTest(schema=name):
                schema = self.document.tree["components"]["schemas"][name]
                self.assertEqual(schema["type"], "object")
                self.assertEqual(sorted(schema.get("required", [])), sorted(required))
                self.assertEqual({key: self.kind(part) for key, part in schema["properties"].items()},
                                 {key: sorted(of) if isinstance(of, list) else of for key, of in fields.items()})
                self.assertLessEqual(set(schema), {"type", "required", "properties", "description", "examples"})

    def kind(self, part):
        """As CONTRACT writes it. Whatever would say more than the contract does is not passed over."""
        if "$ref" in part:
            name = part["$ref"].rpartition("/")[2]
            return name if name in CONTRACT else self.document.schemas.resolve(part)["type"]
        more = {"enum"} if part["type"] == "string" else {"items"} if part["type"] == "array" else set()
        self.assertLessEqual(set(part), {"type", "description"} | more, part)
        return sorted(part["enum"]) if "enum" in part else part["type"]

    def test_a_retry_is_answered_as_the_contract_has_it(self):
        responses = self.document.operations["POST", "/api/runs/{runId}/retry"]["responses"]
        self.assertLessEqual({"202", "401", "402", "403", "404", "422"}, set(responses))
        accepted = self.document.schemas.resolve(responses["202"]["content"]["application/json"]["schema"])
        self.assertEqual(accepted["required"], ["project", "sourceRun", "run"])
        of = {name: part["$ref"].rpartition("/")[2] for name, part in accepted["properties"].items()}
        self.assertEqual(of, {"project": "Project", "sourceRun": "Run", "run": "Run", "capabilities": "Capabilities"})
        refused = responses["422"]["content"]["application/json"]["schema"]
        self.assertEqual(refused, {"$ref": "#/components/schemas/Error"})

    def test_its_examples_are_as_their_schemas_say(self):
        examples = list(media_examples(self.document.tree))
        self.assertGreater(len(examples), 20)
        for schema, example in examples:
            self.assertEqual(list(self.document.schemas.wrong(example, schema, "example")), [])

    def test_it_lints_clean(self):
        tool = TOOLCHAIN / "node_modules/.bin/redocly"
        with tempfile.TemporaryDirectory() as nowhere:  # no configuration but what is said here
            quiet = {**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
            done = subprocess.run([tool, "lint", FILE, "--extends", "recommended", "--format", "json",
                                   "--skip-rule", "no-path-trailing-slash"], cwd=nowhere,
                                  env=quiet, capture_output=True, text=True, timeout=100, check=False)
        report = json.loads(done.stdout)
        self.assertEqual([(p["ruleId"], p["message"]) for p in report["problems"]], [], done.stderr)
        self.assertEqual((report["totals"]["errors"], report["totals"]["warnings"], done.returncode), (0, 0, 0))


if __name__ == "__main__":
    unittest.main()
