"""Part of prepare_python.py (no program): names that stay different, and short enough, once the generator made them Python names."""

import hashlib

from openapi_python_client.parser.openapi import generate_operation_id
from openapi_python_client.schema.untrusted_string import UntrustedString
from openapi_python_client.strings import ClassName, PythonIdentifier

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
LONGEST = 100


def fitting(name: str, python_name, taken: set[str]) -> str:
    """The name itself, or one that is short enough and not yet taken as a Python name."""
    result = name
    if len(name) > LONGEST:
        result = f"{name[:LONGEST]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    number = 2
    while str(python_name(result)).lower() in taken:
        result, number = f"{name[:LONGEST]}_{number}", number + 1
    taken.add(str(python_name(result)).lower())
    return result


def name_operations(document: dict) -> None:
    taken: set[str] = set()
    for path, item in document["paths"].items():
        for method in METHODS:
            operation = item.get(method) if isinstance(item, dict) else None
            if not isinstance(operation, dict):
                continue
            operation.setdefault("responses", {})
            name = operation.get("operationId")
            if not isinstance(name, str):
                name = str(generate_operation_id(path=UntrustedString(path), method=method, prefix="field_"))
            if (better := fitting(name, lambda text: PythonIdentifier(text, "field_"), taken)) != name:
                operation["operationId"] = better


def name_schemas(document: dict, everything: list[dict]) -> None:
    components = document.get("components") or {}
    schemas, taken = components.get("schemas") or {}, set()
    names = {name: fitting(str(name), lambda text: ClassName(text, "field_"), taken) for name in schemas}
    start = "#/components/schemas/"
    moved = {start + str(old): start + new for old, new in names.items() if old != new}
    if not moved:
        return
    components["schemas"] = {names[name]: schema for name, schema in schemas.items()}
    for node in everything:
        for key, value in node.items():
            if isinstance(value, str) and value in moved:
                node[key] = moved[value]


def name_members(schemas: dict) -> None:
    for name, schema in list(schemas.items()):
        for union in ("oneOf", "anyOf"):
            members = schema.get(union) if isinstance(schema, dict) else None
            for number, member in enumerate(members if isinstance(members, list) else ()):
                own = f"{name}_type_{number}"
                if isinstance(member, dict) and "properties" in member and own not in schemas:
                    schemas[own] = member
                    members[number] = {"$ref": f"#/components/schemas/{own}"}
