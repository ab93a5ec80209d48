"""What the commands share: how they are declared, how they speak, how they read lists that come in pages."""

import argparse
import json
import sys

from . import show
from .api import quote


class Misused(Exception):
    pass


def say(text):
    print(f"reprise: {show.clean(text)}", file=sys.stderr)


def write(args, answer, lines):
    """Raw if asked for, else the lines made for people."""
    if args.json:
        write_json(answer.body)
    else:
        write_lines(lines)


def write_lines(lines):
    for line in lines:
        print(show.clean(line))


def write_json(data):
    """An answer's bytes as they came, or a value of ours."""
    raw = data if isinstance(data, bytes) else json.dumps(data, ensure_ascii=False).encode("utf-8", "backslashreplace")
    if sys.stdout.isatty():
        # JSON lets control characters above U+007F stand for themselves, which a terminal obeys.
        raw = show.escaped(raw.decode("utf-8", "replace")).encode()
    sys.stdout.flush()
    sys.stdout.buffer.write(raw.rstrip(b"\n") + b"\n")
    sys.stdout.buffer.flush()


def write_list(api, args, path, name, lines, query=None):
    """As many entries as were asked for, from as many pages as that takes."""
    query, found = {**(query or {}), "limit": min(args.limit, 100)}, []
    while True:
        answer = api.get(path, query)
        page = answer.json()
        found += page[name]
        query["cursor"] = page.get("nextCursor")
        if len(found) >= args.limit or not query["cursor"]:
            break
    if args.json and len(found) > len(page[name]):
        write_json({name: found[:args.limit]})
    else:
        write(args, answer, lines(found[:args.limit]))


def entries(api, path, name, query=None):
    """All of a list, page by page."""
    query = {**(query or {}), "limit": 100}
    while True:
        page = api.get(path, query).json()
        yield from page[name]
        query["cursor"] = page.get("nextCursor")
        if not query["cursor"]:
            return


def of_org(args):
    """The organisation that a call is about: none for an organisation's key, or for `*`."""
    return None if args.org == "*" else args.org


def project_id(api, name, org=None):
    """A project's id, given that or its name."""
    if name.startswith("prj_"):
        return name
    found = [project["id"] for project in entries(api, "/api/projects", "projects", {"org": org}) if project["name"] == name]
    if len(found) > 1:
        # Organisations do not know of each other's names; what an operator does to one must not befall another.
        raise Misused(f"{len(found)} projects are called '{name}'; name one by its id: {', '.join(found)}")
    return found[0] if found else name


def run_path(run, what=""):
    return f"/api/runs/{quote(run)}{what}"


def positive(text):
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


class Commands:
    """A level of commands. `common`: a parser whose options each of them takes."""

    def __init__(self, parser, common, dest, required=True, **more):
        self.common = common
        self._parsers = parser.add_subparsers(dest=dest, required=required, **more)

    def add(self, name, function, text, **settings):
        """`operator`: the command is an operator's, and so is the key it takes."""
        one = self._parsers.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", parents=[self.common],
                                       formatter_class=argparse.RawDescriptionHelpFormatter)
        one.set_defaults(function=function, **settings)
        return one

    def group(self, name, text, dest, required=True, **settings):
        """A command with commands of its own."""
        one = self._parsers.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", parents=[self.common])
        one.set_defaults(**settings)
        return one, Commands(one, self.common, dest, required, metavar="WHAT")
