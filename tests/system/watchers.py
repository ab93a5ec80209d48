"""Programs of others that watch Redis: prometheus-redis-exporter, and what KEDA's redis-streams scaler makes of a stream."""
import os
import re
import shlex
import shutil
import socket
import subprocess
import urllib.request

from process import end_with_us, wait_for
from resp import Redis, pairs
from stack import P0, ROOT, USERS

STREAMS = ("queue:default", "queue:again")
SERIES = re.compile(r"^(\w+)\{(.*)\} (\S+)$", re.M)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def flags_of_page():
    """What the page says that it is to be told, beside where Redis is and where to listen."""
    page = (ROOT / "scripts/deploy/monitoring/redis.md").read_text()
    block = re.search(r"```sh\n(.*prometheus-redis-exporter.*?)```", page.partition("\n## prometheus-redis-exporter")[2], re.S)[1]
    words = shlex.split(block.replace("\\\n", " "))
    flags = words[words.index("prometheus-redis-exporter") + 1:]
    for said in ("--redis.addr", "--web.listen-address"):
        at = flags.index(said)
        del flags[at:at + 2]
    return flags


class Exporter:
    """As the page says that it is to be started, by the monitor's user."""

    def __init__(self, stack, password):
        self.port = free_port()
        self.log = open(stack.dir / "logs/exporter.log", "ab")
        argv = [shutil.which("prometheus-redis-exporter"), "--redis.addr", "unix://" + stack.socket, "--web.listen-address",
                f"127.0.0.1:{self.port}", *flags_of_page()]
        environment = {**os.environ, "REDIS_USER": USERS["monitor"], "REDIS_PASSWORD": password}
        self.child = subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                      preexec_fn=end_with_us)
        wait_for("the exporter answers", self.answers)

    def answers(self):
        try:
            return self.scrape()
        except OSError:
            return None

    def scrape(self):
        """(series, its labels that matter) -> value."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        found = {}
        for series, labels, value in SERIES.findall(text):
            said = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            if name := said.get("key") or said.get("stream"):
                if said.get("group", "workers") == "workers" and "consumer" not in said:
                    found[series, name.removeprefix(P0)] = float(value)
        return found

    def close(self):
        self.child.kill()
        self.child.wait()
        self.log.close()


class Keda:
    """What the scaler asks for, and what it makes of it, for a trigger with `lagCount` and one with `pendingEntriesCount`."""

    def __init__(self, stack, password):
        self.redis = Redis(stack.socket, USERS["monitor"], password)

    def lag(self, stream):
        version = re.search(r"redis_version:(\d+)", self.redis.call("INFO"))
        assert int(version[1]) >= 7
        for group in map(pairs, self.redis.call("XINFO", "GROUPS", P0 + stream)):
            if group["name"] == "workers":
                return -1 if group["lag"] is None else group["lag"]  # -1 would mean: no workers
        return self.redis.call("XLEN", P0 + stream)

    def pending(self, stream):
        return self.redis.call("XPENDING", P0 + stream, "workers")[0]

    def close(self):
        self.redis.close()
