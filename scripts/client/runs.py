"""The commands for runs: start, retry, watch, get, list, cancel, artifacts, download, compare, projects."""

import sys
from pathlib import Path

from . import files, show, watch
from .command import Misused, of_org, positive, project_id, run_path, say, write, write_json, write_lines, write_list


def add(commands):
    one = commands.add("start", start, "start a run of an OpenAPI document; prints the run's id")
    one.add_argument("file", metavar="FILE", help="YAML or JSON; - reads stdin")
    one.add_argument("--config", metavar="FILE", help="generator config")
    one.add_argument("--old-sdk", metavar="FILE", help="what an earlier SDK looked like")
    one.add_argument("--mode", metavar="M", help="flagship (default) or stainless_compatible, which needs --config")
    one.add_argument("--project", metavar="NAME", help="found or created; by default named after the document's title")
    one.add_argument("--notes", metavar="T")

    one = commands.add("retry", retry, "retry a run from its retained inputs; prints the new run's id")
    one.add_argument("run", metavar="RUN")
    one.add_argument("--reason", metavar="T")

    one = commands.add("watch", watch_run, "follow a run until it has ended, a line per step")
    one.add_argument("run", metavar="RUN")
    one.add_argument("--exit-status", action="store_true", help="exit 0 only if it ends ready or complete, else 1")

    commands.add("get", get, "show a run").add_argument("run", metavar="RUN")

    one = commands.add("list", list_runs, "list runs, newest first")
    one.add_argument("--project", metavar="P", help="id or name")
    one.add_argument("--status", metavar="S")
    one.add_argument("--error", metavar="CODE", help="failed runs with this code")
    one.add_argument("--q", metavar="TEXT", help="a run's id, or a project's id or exact name")
    one.add_argument("--org", metavar="ORG", help="for operators: of this organisation, or of all ('*')")
    one.add_argument("--limit", metavar="N", type=positive, default=20)

    one = commands.add("cancel", cancel, "cancel a run that has not ended")
    one.add_argument("run", metavar="RUN")
    one.add_argument("--reason", metavar="T")

    commands.add("artifacts", artifacts, "list what a run made").add_argument("run", metavar="RUN")

    one = commands.add("download", download, "get an artifact, a step's log (logs/STEP.txt) or a retained input")
    one.add_argument("run", metavar="RUN")
    one.add_argument("key", metavar="KEY", nargs="?")
    one.add_argument("--all", action="store_true", help="every artifact, checked against the manifest; prints the paths")
    one.add_argument("-o", "--output", metavar="FILE", help="a file instead of stdout; with --all a directory (RUN)")

    one = commands.add("compare", compare, "show runs side by side")
    one.add_argument("run", metavar="RUN", nargs="+")

    commands.add("projects", projects, "list projects")


def read_text(name):
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Misused(f"{name} is not UTF-8 text") from None
    except OSError as error:
        raise Misused(f"cannot read {name}: {error.strerror}") from None


def start(api, args):
    body = {"openapiText": read_text(args.file)}
    if args.file != "-":
        body["openapiFileName"] = Path(args.file).name
    if args.config:
        body.update(configText=read_text(args.config), configFileName=Path(args.config).name)
    if args.old_sdk:
        body.update(oldSdkText=read_text(args.old_sdk), oldSdkFileName=Path(args.old_sdk).name)
    body |= {field: value for field, value in
             (("mode", args.mode), ("projectName", args.project), ("notes", args.notes)) if value}
    accepted(args, api.post("/api/reports/start", body))


def retry(api, args):
    accepted(args, api.post(run_path(args.run, "/retry"), {"reason": args.reason} if args.reason else {}))


def accepted(args, answer):
    said = answer.json()
    run = said["run"]["id"]
    write(args, answer, [run])
    if not args.json:
        say(f"accepted in project {said['project'].get('name', said['project']['id'])}; "
            f"follow it with: scripts/reprise watch {run}")


def watch_run(api, args):
    answer = watch.follow(api, args.run, None if args.json else sys.stdout)
    run = answer.json()
    if args.json:
        write(args, answer, [])
    return 0 if not args.exit_status or run.get("status") in show.WENT_WELL else 1


def get(api, args):
    answer = api.get(run_path(args.run))
    write(args, answer, show.one_run(answer.json()))


def cancel(api, args):
    answer = api.post(run_path(args.run, "/cancel"), {"reason": args.reason} if args.reason else {})
    write(args, answer, [])
    if not args.json:
        say(f"{args.run} is canceled")


def artifacts(api, args):
    run = api.get(run_path(args.run)).json()
    if args.json:
        write_json(run.get("artifactManifest", {}))
    else:
        write_lines(show.artifacts(run))


def compare(api, args):
    runs = [api.get(run_path(run)).json() for run in args.run]
    if args.json:
        write_json(runs)
    else:
        write_lines(show.side_by_side(runs))


def list_runs(api, args):
    query = {"status": args.status, "error": args.error, "q": args.q, "org": of_org(args)}
    if args.project:
        query["projectId"] = project_id(api, args.project, of_org(args))
    write_list(api, args, "/api/runs", "runs", show.runs, query)


def projects(api, args):
    answer = api.get("/api/projects")
    write(args, answer, show.projects(answer.json()["projects"]))


def download(api, args):
    if args.all == bool(args.key):
        raise Misused("name either one KEY or --all")
    if args.all:
        return download_all(api, args)
    if args.output and args.output != "-":
        try:
            files.save(api, args.run, args.key, args.output)
        except FileNotFoundError:
            raise Misused(f"no directory for {args.output}") from None
    elif not args.output and sys.stdout.isatty() and not args.key.endswith((".txt", ".json", ".yaml", ".md")):
        raise Misused("not onto a terminal; name a file with -o FILE, or -o - if you mean it")
    else:
        files.copy(api, args.run, args.key, sys.stdout.buffer)


def download_all(api, args):
    run = api.get(run_path(args.run)).json()
    for artifact in show.artifacts_of(run):
        path = files.place_of(args.output or args.run, artifact["key"])
        path.parent.mkdir(parents=True, exist_ok=True)
        files.save(api, args.run, artifact["key"], path, artifact.get("sha256"))
        write_lines([path])
