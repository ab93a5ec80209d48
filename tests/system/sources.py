"""Which commands of Redis a program needs, as its sources say it: those that it gives itself, and those inside the functions
that it calls, which run with its rights."""
import re

from stack import ROOT

CONTAINERS = ("ACL", "CLIENT", "CONFIG", "FUNCTION", "XGROUP", "XINFO")
PLAIN = re.compile(r'"([A-Z_]{3,})"(?:, "([A-Z]+)")?')
CALL = re.compile(r"\b(?:redis\.p)?call\('([A-Z]+)'(?:, '([A-Z]+)')?")
LUA = ROOT / "common/queue/functions"


def named(command, sub):
    return f"{command}|{sub}".lower() if command in CONTAINERS else command.lower()


def given_by(commands, patterns, without=()):
    """Those of `commands` that stand as words in the C++ sources."""
    found = set()
    for pattern in patterns:
        for file in ROOT.glob(pattern):
            if str(file.relative_to(ROOT)) in without:
                continue
            text = re.sub(r"//.*", "", file.read_text())
            found |= {named(*m) for m in PLAIN.findall(text) if m[0].lower() in commands}
    return found


class Functions:
    """The Lua sources in chunks: one for each name that is given at the left margin, and what it mentions."""

    def __init__(self):
        self.chunks, self.callbacks, self.tables = {}, {}, set()
        for file in sorted(LUA.glob("*.lua")):
            self.read(file.read_text())

    def read(self, text):
        name = None
        for line in text.splitlines():
            line = re.sub(r"--.*", "", line)
            if line and line[0] not in " e})":
                if registered := re.match(r"register\('(\w+)', (\w+)", line):
                    self.callbacks[registered[1]] = registered[2]
                    name = None
                    continue
                begun = re.match(r"(?:local )?(function )?(\w+)", line.replace("local function", "function"))
                name = begun and begun[2]
                if begun and not begun[1] and name:
                    name = line.split()[1].rstrip(",") if line.startswith("local ") else name
                    self.tables.add(name)
            if name:
                self.chunks[name] = self.chunks.get(name, "") + line + "\n"

    def reached_from(self, name, reached):
        if name in reached:
            return
        reached.add(name)
        body = re.sub(r"'[^'\n]*'", "''", self.chunks[name])
        for other in self.chunks:
            if re.search(rf"(?<![.:\w]){other}" + (r"[.\[(]" if other in self.tables else r"\("), body):
                self.reached_from(other, reached)

    def commands(self, functions):
        reached = set()
        for function in functions:
            self.reached_from(self.callbacks[function], reached)
        return {named(*m) for name in reached for m in CALL.findall(self.chunks[name])}
