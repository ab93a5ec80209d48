"""The commands for runs that were given up on: a list of them, redrives one by one, and waves of retries by the server."""

import argparse
import sys
import zlib

from . import show, show_service, wave
from .api import Refused
from .command import (Misused, entries, of_org, positive, project_id, run_path, say, write, write_json, write_lines,
                      write_list)

# Refused for one run, but perhaps not for the next.
ITS_OWN_FAULT = ("inputs_not_retained", "project_archived", "run_not_found")


def add(commands):
    _, what = commands.group("dead", "runs that were given up on, and have not been retried since", "what")

    def add_org(one):
        one.add_argument("--org", metavar="ORG", help="for operators: of this organisation")

    one = what.add("list", list_dead, "list them, newest first")
    one.add_argument("--limit", metavar="N", type=positive, default=20)
    one.add_argument("--org", metavar="ORG", help="for operators: of this organisation, or of all ('*')")

    one = what.add("redrive", redrive, "retry them one by one; prints each run and the new one")
    one.add_argument("run", metavar="RUN", nargs="*")
    one.add_argument("--all", action="store_true", help="every one on the list")
    one.add_argument("--reason", metavar="T", default="redrive")

    one = what.add("retry", retry, "retry many as a wave that the server drives; prints the wave's id")
    one.description += (
        "\n\nThe wave begins with a canary; it goes on when all of that has ended well. Progress is on stderr. Ctrl-C stops\n"
        "the wave (what it has retried goes on) and then exits 130. A wave whose canary fails, that is stopped, or that had\n"
        "runs refused: exit 1.")
    one.add_argument("--failed", dest="of", action="store_const", const="failed", default="dead",
                     help="all failed runs, even those that were retried since")
    one.add_argument("--project", metavar="P", help="id or name")
    one.add_argument("--code", metavar="C", help="only those that failed with this code")
    one.add_argument("--step", metavar="S", help="only those that failed at this step")
    one.add_argument("--dry-run", action="store_true", help="only count them")
    one.add_argument("--rate", metavar="N", type=positive, help="retries per second (5)")
    one.add_argument("--canary", metavar="N", type=canary, help="how many are tried first (1); 0 tries none")
    one.add_argument("--reason", metavar="T")
    one.add_argument("--detach", action="store_true", help="leave when it has begun; `dead follow` comes back to it")
    add_org(one)

    for name, function, text in (("follow", follow, "follow a wave to its end; Ctrl-C leaves it alone"),
                                 ("stop", stop, "stop a wave")):
        one = what.add(name, function, text)
        one.add_argument("wave", metavar="WAVE")
        add_org(one)
    one.add_argument("--reason", metavar="T")

    one = what.add("waves", list_waves, "list waves, the latest first")
    one.add_argument("--limit", metavar="N", type=positive, default=20)
    one.add_argument("--org", metavar="ORG", help="for operators: of this organisation, or of all ('*')")


def canary(text):
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("0 or more")
    return number


def list_dead(api, args):
    write_list(api, args, "/api/dead", "dead", show.dead, {"org": of_org(args)})


def redrive(api, args):
    """A redrive is a retry: a new run from what the dead one retained. The dead one leaves the list with it."""
    if args.all == bool(args.run):
        raise Misused("name either RUNs or --all")
    done = refused = 0
    for run in (letter["run"] for letter in entries(api, "/api/dead", "dead")) if args.all else args.run:
        try:
            # Asked again after an answer that was lost, it is the same redrive: a run is given up on once.
            words = zlib.crc32(args.reason.encode())
            said = api.post(run_path(run, "/retry"), {"reason": args.reason}, f"redrive-{run}-{words:08x}").json()
        except Refused as why:
            if why.code not in ITS_OWN_FAULT:
                raise
            say(f"{run}: {why}")
            refused += 1
            continue
        if args.json:
            write_json({"dead": run, "run": said["run"]["id"]})
        else:
            write_lines([f"{run} {said['run']['id']}"])
        done += 1
    say(f"{done} redriven, {refused} refused")
    return 1 if refused else 0


def retry(api, args):
    # All values are strings there.
    body = {"of": args.of} | {name: str(value) for name, value in (
        ("org", args.org), ("code", args.code), ("step", args.step), ("rate", args.rate), ("canary", args.canary),
        ("reason", args.reason), ("dryRun", "true" if args.dry_run else None)) if value is not None}
    if args.project:
        body["projectId"] = project_id(api, args.project, args.org)
    if args.dry_run:
        answer = api.post("/api/bulk", body)
        said = answer.json()
        write(args, answer, [f"{'more than ' if said['more'] else ''}{said['matched']} would be retried"])
        return 0
    with wave.begun(api, body) as (begun, answer):
        if args.detach or not args.json:
            write(args, answer, [begun])
        sys.stdout.flush()
        if not args.detach:
            return ended(args, wave.follow(api, begun, None if args.json else sys.stderr))
    if not args.json:
        say(f"it goes on; scripts/reprise dead follow {begun}")
    return 0


def ended(args, answer):
    said = answer.json()["bulk"]
    if args.json:
        write_json(answer.body)
    return 0 if said["state"] == "done" and not said["refused"] else 1


def follow(api, args):
    return ended(args, wave.follow(api, args.wave, None if args.json else sys.stderr))


def stop(api, args):
    answer = wave.stop(api, args.wave, args.reason)
    write(args, answer, [])
    if not args.json:
        say(show_service.progress(answer.json()["bulk"]))


def list_waves(api, args):
    write_list(api, args, "/api/bulk", "bulks", show_service.waves, {"org": of_org(args)})
