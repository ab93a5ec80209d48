"""What generate_python.py changes in its copy of a document so that openapi-python-client can do its work (no program).

Each change answers one thing the generator stumbles over. The client that comes out fits the API; some of it is less exact or
offers less than the document does (a value's type, one kind of request of several):
  * a missing `paths` or `responses` (allowed since OpenAPI 3.1) becomes an empty one; version 3.2 is called 3.1 (its new parts are ignored);
  * `true`/`false` as a schema (allowed since 3.1) becomes the empty schema;
  * an enum of mixed types loses its list of values; an optional body that is one of several types becomes a required argument (the
    generator writes a module with a syntax error for the optional one);
  * titles used more than once inside schemas are dropped: each would become the same class name, and the generator then drops
    the schema and every operation that needs it;
  * schemas and operations whose names become the same Python name (a-b and a_b) get a number, overlong ones are cut;
  * bodies of a kind that it does not know (image/png, application/xml, a text request, ...) are plain bytes; where a body has a
    kind that it does know as well, only that one is kept, and of several kinds of request only JSON (or else one of the others): the
    generator tells them apart by their class and so would send a body twice;
  * objects written out inside a oneOf or anyOf of a named schema get a name too (else it sometimes drops them, but not their uses).
"""

import collections

from python_names import name_members, name_operations, name_schemas

NOT_SCHEMAS = ("example", "examples", "default", "enum", "const")
SCHEMA_MAPS = ("properties", "patternProperties", "$defs", "schemas")
FLAGS = ("nullable", "deprecated", "readOnly", "writeOnly", "uniqueItems", "required", "additionalProperties", "exclusiveMinimum",
         "exclusiveMaximum", "unevaluatedProperties", "unevaluatedItems")  # not schemas when they are true or false
SCHEMA_PLACES = ("items", "schema", "not", "contains", "if", "then", "else", "propertyNames")
KNOWN = ("application/json", "application/octet-stream", "application/x-www-form-urlencoded", "multipart/form-data")
BYTES = {"type": "string", "format": "binary"}


def nodes(root: object) -> list[dict]:
    """Every mapping that can hold a schema (a list, because callers change what they walk over)."""
    found, seen, stack = [], set(), [root]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, dict):
            found.append(node)
            stack.extend(v for k, v in node.items() if k not in NOT_SCHEMAS and isinstance(v, (dict, list)))
        elif isinstance(node, list):
            stack.extend(v for v in node if isinstance(v, (dict, list)))
    return found


def settle_content(content: dict, request: bool, kinds: dict[str, str]) -> None:
    def known(content_type: str) -> bool:
        kind = str(content_type).split(";")[0].strip().lower()
        return kind in KNOWN or kind.endswith("+json") or (kind.startswith("text/") and not request)

    good = [content_type for content_type in content if known(content_type)]
    if request and len(good) > 1:
        good = [min(good, key=lambda content_type: ("json" not in str(content_type), "form" not in str(content_type)))]
    for content_type in list(content):
        media = content[content_type] if isinstance(content[content_type], dict) else {}
        if content_type in good:
            if not isinstance(media.get("schema"), dict):
                raw = str(content_type).lower().startswith("application/octet-stream")
                content[content_type] = {**media, "schema": BYTES if raw else {}}
            continue
        del content[content_type]
        if good:
            continue
        kind = str(content_type)
        if kind.lower().startswith("text/") and ";" not in kind:
            kind += "; charset=utf-8"  # told apart from a text response, which the generator does know
        content[kind] = {**media, "schema": BYTES}
        kinds[kind] = "application/octet-stream"


def has_union(body: dict, document: dict) -> bool:
    named = (document.get("components") or {}).get("schemas") or {}
    for media in (body.get("content") or {}).values():
        schema = media.get("schema") if isinstance(media, dict) else None
        if isinstance(schema, dict) and "$ref" in schema:
            schema = named.get(str(schema["$ref"]).rsplit("/", 1)[-1])
        if isinstance(schema, dict) and ("oneOf" in schema or "anyOf" in schema or isinstance(schema.get("type"), list)):
            return True
    return False


def prepare(document: dict) -> dict[str, str]:
    """Change the document as said above; returns the content types to be treated like another one."""
    if not isinstance(document.get("paths"), dict):
        document["paths"] = {}
    if str(document.get("openapi", "")).startswith("3.2"):
        document["openapi"] = "3.1.1"
    everything = [node for key, value in document.items() if key != "info" for node in nodes(value)]
    titles = collections.Counter(node["title"] for node in everything if isinstance(node.get("title"), str))
    requests = {id(node.get("requestBody")) for node in everything}
    requests |= {id(body) for body in ((document.get("components") or {}).get("requestBodies") or {}).values()}
    kinds: dict[str, str] = {}
    for node in everything:
        if isinstance(node.get("title"), str) and titles[node["title"]] > 1:
            del node["title"]
        if isinstance(node.get("enum"), list) and {type(v) for v in node["enum"]} - {type(None)} not in ({str}, {int}):
            del node["enum"]
        body = node.get("requestBody")
        if isinstance(body, dict) and "$ref" not in body and not body.get("required") and has_union(body, document):
            body["required"] = True
        for place in SCHEMA_MAPS:
            if isinstance(node.get(place), dict):
                node[place] = {name: {} if isinstance(s, bool) and name not in FLAGS else s for name, s in node[place].items()}
        node.update({place: {} for place in SCHEMA_PLACES if isinstance(node.get(place), bool)})
        content = node.get("content")  # of a body, not a property of that name: media types have a slash
        if isinstance(content, dict) and content and all("/" in str(kind) for kind in content):
            settle_content(content, id(node) in requests, kinds)
    name_operations(document)
    name_members((document.get("components") or {}).get("schemas") or {})
    name_schemas(document, [node for key, value in document.items() if key != "info" for node in nodes(value)])
    return kinds
