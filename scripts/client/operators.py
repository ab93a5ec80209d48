"""The operators' commands: workers, queue, pause, resume, explain, scale, failures, audit."""

from . import show_service as show
from .api import quote
from .command import of_org, positive, project_id, run_path, say, write, write_list

ORDERS = {"quiet": "let a worker take no more runs", "resume": "let it take runs again",
          "drain": "let it finish what it has in hand, and end", "stop": "let it hand everything back at once, and end"}


def add(commands):
    one, orders = commands.group("workers", "list the workers, or tell one what to do", "order", required=False,
                                 function=list_workers, operator=True)
    for order, text in ORDERS.items():
        one = orders.add(order, order_worker, text, operator=True)
        one.add_argument("worker", metavar="WORKER", help="its id, from the list")
        one.add_argument("--reason", metavar="T")

    commands.add("queue", show_queue, "show what waits and where, how fast it moves, and what is paused", operator=True)

    for name, text in (("pause", "accept runs, but start none"), ("resume", "end a pause")):
        one = commands.add(name, pause, text, operator=True, act=name)
        which = one.add_mutually_exclusive_group()
        which.add_argument("--mode", metavar="M", help="only of this mode; everything without --mode and --project")
        which.add_argument("--project", metavar="P", help="only of this project, by its id or name")
        one.add_argument("--reason", metavar="T")

    one = commands.add("explain", explain, "say what a run waits for, and what would free it", operator=True)
    one.add_argument("run", metavar="RUN")

    one = commands.add("scale", scale, "say how many workers are wanted, and from what that follows", operator=True)
    one.add_argument("--slo", metavar="S", type=positive, help="seconds within which a run is to be started (60)")
    one.add_argument("--service", metavar="S", type=positive, help="seconds that a run takes; measured without it")

    one = commands.add("failures", failures, "show what failed within a week, by step and code", operator=True)
    one.add_argument("--org", metavar="ORG", help="only of this organisation", default="*")

    one = commands.add("audit", audit, "list what people did, the latest first", operator=True)
    one.add_argument("--org", metavar="ORG", help="only for this organisation", default="*")
    one.add_argument("--limit", metavar="N", type=positive, default=20)


def list_workers(api, args):
    answer = api.get("/api/workers")
    write(args, answer, show.workers(answer.json()))


def order_worker(api, args):
    answer = api.post(f"/api/workers/{quote(args.worker)}/{args.order}", because(args))
    said = answer.json()
    write(args, answer, [])
    if not args.json:
        say(f"{said['worker']} is told: {said['order']}")


def because(args):
    return {"reason": args.reason} if args.reason else {}


def show_queue(api, args):
    answer = api.get("/api/queue")
    write(args, answer, show.queue(answer.json()))


def pause(api, args):
    body = because(args)
    if args.mode:
        body["mode"] = args.mode
    if args.project:
        body["projectId"] = project_id(api, args.project)
    answer = api.post(f"/api/queue/{args.act}", body)
    write(args, answer, show.paused(answer.json()["paused"]) or ["nothing is paused"])


def explain(api, args):
    answer = api.get(run_path(args.run, "/explain"))
    write(args, answer, show.explanation(answer.json()))


def scale(api, args):
    answer = api.get("/api/scale", {"slo": args.slo, "service": args.service})
    write(args, answer, show.scale(answer.json()))


def failures(api, args):
    answer = api.get("/api/failures", {"org": of_org(args)})
    write(args, answer, show.failures(answer.json()["groups"]))


def audit(api, args):
    write_list(api, args, "/api/audit", "acts", show.acts, {"org": of_org(args)})
