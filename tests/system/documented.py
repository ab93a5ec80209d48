"""What the OpenAPI document says of an answer. `DocumentedApi` holds every answer to it: its status, its media type,
its body and headers, and the code of a refusal. Strict where JSON Schema is lenient: what the document does not name
must not be there."""
import json
import re

from client import Api
from stack import ROOT

FILE = ROOT / "api/openapi.json"
METHODS = ("get", "post", "put", "patch", "delete", "head", "options", "trace")

# On any answer, whatever the operation; not worth a word in each.
GENERAL_HEADERS = {"server", "date", "content-type", "content-length", "connection", "transfer-encoding",
                   "cache-control", "x-content-type-options", "referrer-policy", "content-security-policy",
                   "x-accel-buffering"}
ANNOTATIONS = {"description", "default", "example", "examples"}
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool}
FORMATS = {"date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "uri-reference": r"[!-~]+", "binary": r"[\s\S]*"}
UNNAMED = object()


def is_of(value, kind):
    return isinstance(value, TYPES[kind]) and not (kind in ("integer", "number") and isinstance(value, bool))


class Schemas:
    """The part of JSON Schema that the document uses; another keyword is an error, so that none is passed over."""

    def __init__(self, document):
        self.document = document

    def resolve(self, node):
        if "$ref" not in node:
            return node
        found = self.document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        return {**self.resolve(found), **{k: v for k, v in node.items() if k != "$ref"}}

    def wrong(self, value, schema, where):
        """Yields what of `value` is not as `schema` has it."""
        schema = self.resolve(schema)
        if "anyOf" in schema:
            found = [list(self.wrong(value, one, where)) for one in schema["anyOf"]]
            if all(found):
                yield from min(found, key=len)
        if "type" in schema and not is_of(value, schema["type"]):
            yield f"{where} is no {schema['type']}: {value!r}"
            return
        for keyword, operand in schema.items():
            if keyword not in ANNOTATIONS | {"anyOf", "type"}:
                yield from getattr(self, "wrong_" + keyword)(value, operand, where)

    def wrong_additionalProperties(self, value, schema, where):
        for name, part in value.items():
            yield from self.wrong(part, schema, f"{where}.{name}")

    def wrong_properties(self, value, properties, where):
        for name, part in value.items():
            if properties.get(name, UNNAMED) is UNNAMED:
                yield f"{where} has {name}, which the document does not name"
            else:
                yield from self.wrong(part, properties[name], f"{where}.{name}")

    def wrong_required(self, value, names, where):
        yield from (f"{where} lacks {name}" for name in names if name not in value)

    def wrong_items(self, value, schema, where):
        for index, part in enumerate(value):
            yield from self.wrong(part, schema, f"{where}[{index}]")

    def wrong_enum(self, value, allowed, where):
        if value not in allowed:
            yield f"{where} is {value!r}, which is none of {allowed}"

    def wrong_const(self, value, only, where):
        yield from self.wrong_enum(value, [only], where)

    def wrong_pattern(self, value, pattern, where):
        if not re.search(pattern, value):
            yield f"{where} is {value!r}, which is not like {pattern}"

    def wrong_format(self, value, name, where):
        yield from self.wrong_pattern(value, f"^(?:{FORMATS[name]})$", where)

    def wrong_minimum(self, value, bound, where):
        if value < bound:
            yield f"{where} is {value}, below {bound}"

    def wrong_maximum(self, value, bound, where):
        if value > bound:
            yield f"{where} is {value}, above {bound}"

    def wrong_minLength(self, value, bound, where):
        yield from self.wrong_minimum(len(value), bound, where + "'s length")

    def wrong_maxLength(self, value, bound, where):
        yield from self.wrong_maximum(len(value), bound, where + "'s length")


class Document:
    def __init__(self):
        self.text = FILE.read_text("utf-8")
        self.tree = json.loads(self.text)
        self.schemas = Schemas(self.tree)
        self.operations = {(method.upper(), path): item[method] for path, item in self.tree["paths"].items()
                           for method in METHODS if method in item}

    def codes(self, operation):
        """status -> codes that the operation names for it."""
        return {int(status): re.findall(r"`([a-z_]+)`", self.schemas.resolve(response)["description"])
                for status, response in operation["responses"].items() if status >= "400"}

    def operation_of(self, method, target):
        path = target.partition("?")[0]
        wanted = "GET" if method == "HEAD" else method
        patterns = [(re.sub(r"\{\w+\}", "[^/]+", known), operation)
                    for (its, known), operation in self.operations.items() if its == wanted]
        return next((operation for pattern, operation in patterns if re.fullmatch(pattern, path)), None)

    def wrong(self, method, target, answer):
        """Yields what of an answer to a documented request is not as the document has it."""
        operation = self.operation_of(method, target)
        if operation is None:
            yield "the document has no such operation"
            return
        response = operation["responses"].get(str(answer.status))
        if response is None:
            yield f"the document names no status {answer.status} here"
            return
        response = self.schemas.resolve(response)
        yield from self.wrong_headers(response.get("headers", {}), answer)
        if method != "HEAD" and answer.body:
            yield from self.wrong_body(response.get("content", {}), answer)
        if answer.status >= 400 and answer.body and "error" in answer.json:
            if answer.json["error"] not in self.codes(operation)[answer.status]:
                yield f"the document does not name {answer.json['error']} for {answer.status} here"

    def wrong_headers(self, documented, answer):
        known = {name.lower(): header for name, header in documented.items()}
        for name, value in answer.headers.items():
            if name.lower() in known:
                schema = self.schemas.resolve(known[name.lower()])["schema"]
                yield from self.schemas.wrong(int(value) if schema["type"] == "integer" else value, schema, name)
            elif name.lower() not in GENERAL_HEADERS:
                yield f"the document does not name the header {name} for {answer.status} here"

    def wrong_body(self, content, answer):
        media = answer.headers["Content-Type"].partition(";")[0]
        if media not in content and "*/*" not in content:
            yield f"the document has no {media} for {answer.status} here"
        elif media not in content:
            return  # bytes, of whatever type
        elif media == "text/event-stream":
            for line in answer.body.decode().splitlines():
                if line.startswith("data: "):
                    yield from self.schemas.wrong(json.loads(line[6:]), content[media]["schema"], "event")
        elif not media.endswith("json"):
            yield from self.schemas.wrong(answer.body.decode(), content[media]["schema"], "body")
        else:
            yield from self.schemas.wrong(answer.json, content[media]["schema"], "body")


class DocumentedApi(Api):
    """Every answer is as the document says, or the call raises."""

    def __init__(self, port, key, document):
        super().__init__(port, key)
        self.document = document

    def call(self, method, path, *args, **more):
        answer = super().call(method, path, *args, **more)
        wrong = list(self.document.wrong(method, path, answer))
        assert not wrong, f"{method} {path[:200]}: {answer}: " + "; ".join(wrong)
        return answer
