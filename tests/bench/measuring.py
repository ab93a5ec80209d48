"""The programs that measure: bench_tool's subcommands and wrk. Each is bounded by itself and once more here."""
import json
import os
import pathlib
import subprocess

from stack import ROOT

HERE = pathlib.Path(__file__).resolve().parent
TOOL = ROOT / "build/release/bin/bench_tool"


class Invalid(Exception):
    """A measurement that does not count; the reason is shown."""


def tool(*words, seconds=120):
    done = subprocess.run([str(TOOL), *map(str, words)], capture_output=True, text=True, timeout=seconds, check=False)
    if done.returncode != 0:
        raise Invalid(f"bench_tool {words[0]}: {done.stderr.strip()[-400:]}")
    return json.loads(done.stdout)


def replay(server, file, run="", in_flight=64, **bounds):
    """Calls of a recorded command; bounds: seconds, calls."""
    words = [w for name, value in bounds.items() for w in (f"--{name}", value)]
    said = tool("replay", "--redis", server.socket, "--file", file, "--in-flight", in_flight,
                *(["--id", run] if run else []), *words, seconds=bounds.get("seconds", 60) + 30)
    if said["errors"]:
        raise Invalid(f"{said['errors']} of {said['calls']} calls refused: {said['firstError']}")
    return said


def wrk(server, connections, seconds, sources=None, port=None):
    """Retries by so many connections as fast as they are answered. Fails unless all are answered 202, which is checked
    against what Redis has counted."""
    listed = server.dir / "sources"
    listed.write_text("".join(run + "\n" for run in sources or [server.source]))
    before = server.count("accepted")
    environment = os.environ | {"BENCH_KEY": server.api_key, "BENCH_SOURCES": str(listed)}
    done = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "-s", str(HERE / "post.lua"),
                           f"http://127.0.0.1:{port or server.port}"],
                          env=environment, capture_output=True, text=True, timeout=seconds + 30, check=False)
    line = [text for text in done.stdout.splitlines() if text.startswith("BENCH ")]
    if done.returncode != 0 or not line:
        raise Invalid(f"wrk: {(done.stdout + done.stderr).strip()[-400:]}")
    said = json.loads(line[0].removeprefix("BENCH "))
    said["rate"] = said["answers"] / said["seconds"]
    if said["refused"] or said["broken"]:
        raise Invalid(f"{said['refused']} answers are not 202, {said['broken']} connections broke, of {said['answers']}")
    accepted = server.count("accepted") - before
    if port is None and not said["answers"] <= accepted <= said["answers"] + connections:
        raise Invalid(f"{said['answers']} answers, but {accepted} runs accepted")
    return said
