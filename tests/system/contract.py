"""The contract of the answers: fields, types and enums of Project, Run and ArtifactManifest. Strict: nothing else at the
top of each, and null nowhere."""
import datetime
import re

MODES = {"flagship", "stainless_compatible", "custom", "openapi", "stainless_migration"}
STATUSES = {"queued", "running", "blocked", "complete", "ready", "failed", "expired", "canceled"}
VERDICTS = {"queued", "generated", "ready", "needs_review", "not_ready", "needs_worker", "needs_setup", "failed", "canceled"}
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


def time_of(text):
    assert TIME.match(text), f"not RFC 3339 in UTC with milliseconds: {text!r}"
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


# name: (type or set of values, required); "time" is a string in the one format of times
PROJECT = {"id": (str, True), "name": (str, True), "apiName": (str, False), "mode": (MODES, False),
           "status": ({"created", "active", "archived"}, False), "createdAt": ("time", True), "updatedAt": ("time", False),
           "runCount": (int, False)}
RUN = {"id": (str, True), "orgId": (str, False), "projectId": (str, True), "createdByUserId": (str, False),
       "status": (STATUSES, True), "mode": (MODES | {"stainless", "reference-sample"}, False), "verdict": (VERDICTS, False),
       "createdAt": ("time", True), "completedAt": ("time", False), "steps": (list, False), "inputSummary": (dict, False),
       "notes": (str, False), "currentStep": (str, False), "artifactManifest": (dict, False)}
MANIFEST = {"version": (int, False), "runId": (str, False), "organizationId": (str, False), "projectId": (str, False),
            "quality": (dict, False), "artifacts": (list, False), "expiresAt": ("time", False), "updatedAt": ("time", False)}
ERROR = {"error": (str, True), "message": (str, False)}


def check_no_null(value, where):
    assert value is not None, f"{where} is null"
    if isinstance(value, dict):
        for key, part in value.items():
            check_no_null(part, f"{where}.{key}")
    elif isinstance(value, list):
        for index, part in enumerate(value):
            check_no_null(part, f"{where}[{index}]")


def check_object(value, schema, where):
    assert isinstance(value, dict), f"{where} is no object: {value!r}"
    check_no_null(value, where)
    unknown = set(value) - set(schema)
    assert not unknown, f"{where} has fields that the contract does not name: {sorted(unknown)}"
    for name, (kind, required) in schema.items():
        if name not in value:
            assert not required, f"{where} lacks {name}"
            continue
        part = value[name]
        if kind == "time":
            time_of(part)
        elif isinstance(kind, set):
            assert part in kind, f"{where}.{name} is {part!r}"
        else:
            assert isinstance(part, kind) and not (kind is int and isinstance(part, bool)), f"{where}.{name} is {part!r}"


def check_project(value):
    check_object(value, PROJECT, "project")


def check_run(run):
    check_object(run, RUN, "run")
    ended = run["status"] in ("ready", "complete", "failed", "canceled", "expired")
    assert ("completedAt" in run) == ended, f"completedAt of a run that is {run['status']}"
    if run["status"] == "queued":
        assert run["verdict"] in ("queued", "needs_worker"), run["verdict"]
    if run["status"] == "running":
        assert "verdict" not in run, "a running run has no verdict"
    for step in run["steps"]:
        assert isinstance(step, dict) and isinstance(step["name"], str) and isinstance(step["status"], str), step
        for name in ("startedAt", "completedAt"):
            if name in step:
                time_of(step[name])
        if "error" in step:
            assert isinstance(step["error"]["code"], str) and isinstance(step["error"]["message"], str), step
    if "artifactManifest" in run:
        manifest = run["artifactManifest"]
        check_object(manifest, MANIFEST, "artifactManifest")
        assert manifest["runId"] == run["id"] and manifest["projectId"] == run["projectId"]
        for artifact in manifest["artifacts"]:
            assert isinstance(artifact["key"], str) and isinstance(artifact["contentType"], str), artifact
            assert isinstance(artifact["bytes"], int) and artifact["bytes"] >= 0, artifact
            assert re.fullmatch(r"[0-9a-f]{64}", artifact["sha256"]), artifact
            assert artifact["href"].startswith("/"), artifact


def check_accepted(answer, of_retry):
    """A 202 of start or retry: its body, checked."""
    assert answer.status == 202, answer
    body = answer.json
    check_no_null(body, "answer")
    wanted = {"project", "sourceRun", "run"} if of_retry else {"project", "run"}
    assert wanted <= set(body), sorted(body)
    extra = set(body) - wanted - {"capabilities"} - (set() if of_retry else {"message"})
    assert not extra, f"fields that the contract does not name: {sorted(extra)}"
    check_project(body["project"])
    check_run(body["run"])
    if of_retry:
        check_run(body["sourceRun"])
    assert isinstance(body.get("capabilities", {}), dict)
    assert answer.headers["Location"] == "/api/runs/" + body["run"]["id"]
    assert body["run"]["projectId"] == body["project"]["id"]
    return body


def check_error(answer, status, code):
    assert answer.status == status, answer
    check_object(answer.json, ERROR, "error")
    assert answer.json["error"] == code, answer
    assert answer.headers["Content-Type"].startswith("application/json"), answer.headers["Content-Type"]
    return answer.json.get("message", "")
