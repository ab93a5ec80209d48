"""What a program sends to Redis, seen by MONITOR and kept as bytes that bench_tool sends again: so the benchmark never
falls out of step with the functions' arguments or with what they write."""
import re

from measuring import tool

ESCAPED = re.compile(rb'\\(x[0-9a-f]{2}|.)', re.S)
PLAIN = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}
LINE = re.compile(rb'^\d+\.\d+ \[(\d+) ([^\]]*)\] (.*)$', re.S)
WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.S)


def unescaped(word):
    def one(match):
        code = match[1]
        return bytes([int(code[1:], 16)]) if len(code) == 3 else PLAIN.get(code, code)
    return ESCAPED.sub(one, word)


def encoded(words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


class Call:
    """A command of a program, and the commands that a function did on its behalf."""

    def __init__(self, words):
        self.words, self.inner = words, []

    @property
    def function(self):
        """Without the library's prefix; empty if it is no call of a function."""
        return self.words[1].decode().split("_", 2)[-1] if self.words[0].upper().startswith(b"FCALL") else ""

    def names(self, run):
        return any(run.encode() in word for word in self.words)


class Monitor:
    """Everything that Redis is asked for meanwhile: `calls`."""

    def __init__(self, server):
        self.server, self.calls = server, []

    def __enter__(self):
        self.connection = self.server.redis_client()
        self.connection.call("MONITOR")
        return self

    def __exit__(self, *failed):
        self.server.redis.call("ECHO", "monitored")
        while not self.calls or self.calls[-1].words != [b"ECHO", b"monitored"]:
            line = LINE.match(self.connection.file.readline()[1:-2])
            words = [unescaped(word) for word in WORD.findall(line[3])]
            if line[2] == b"lua":
                self.calls[-1].inner.append(words)
            else:
                self.calls.append(Call(words))
        self.connection.close()


class Writes:
    """Which commands write, as Redis says."""

    def __init__(self, redis):
        self.redis, self.known = redis, {}

    def among(self, commands):
        return [words for words in commands if self.writes(words[0].upper())]

    def writes(self, name):
        if name not in self.known:
            self.known[name] = "write" in self.redis.call("COMMAND", "INFO", name)[0][2]
        return self.known[name]


class Accept:
    """The call that accepts one retry, and what it writes as native commands in one transaction, both for the run `run`."""

    def __init__(self, server):
        client = server.api_client()
        client.retry(server.source, reason="bench")  # what only a first one asks for is not recorded
        with Monitor(server) as seen:
            answer = client.retry(server.source, reason="bench")
        client.close()
        assert answer.status == 202, answer
        self.run = answer.json["run"]["id"]
        calls = [call for call in seen.calls if call.names(self.run)]
        assert len(calls) == 1 and "accept" in calls[0].function, f"not one accept: {[c.words[:3] for c in calls]}"
        self.writes = Writes(server.redis).among(calls[0].inner)
        self.asked = len(calls[0].inner)
        self.call = encoded(calls[0].words)
        self.native = b"".join(encoded(words) for words in ([b"MULTI"], *self.writes, [b"EXEC"]))
        self.call_file, self.native_file = server.dir / "accept.call", server.dir / "accept.native"
        self.call_file.write_bytes(self.call)
        self.native_file.write_bytes(self.native)


class Life:
    """All that is said of one run from its accept to its end: the accept, the worker's claim, and what the worker wrote of it."""
    READING = ("beat", "held")

    def __init__(self, server, name="life"):
        self.socket = server.socket
        with Monitor(server) as seen:
            self.run = server.ended_run(server.source)
        mine = [call for call in seen.calls if call.names(self.run) and call.function]
        accept = [call for call in mine if "accept" in call.function]
        life = [call for call in mine if "accept" not in call.function and call.words[0].upper() == b"FCALL"
                and call.function not in self.READING]
        # The claim that took the run is the one whose token the rest carries, beside the worker's name that all have.
        said = {word for call in life for word in call.words[4:] if len(word) > 8}
        claims = [call for call in seen.calls if "claim" in call.function and call not in life]
        assert len(accept) == 1 and life and claims, f"not a whole life: {[call.function for call in seen.calls]}"
        claim = max(claims, key=lambda call: len(said.intersection(call.words)))
        self.accept_file, self.claim_file, self.file = (server.dir / f"{name}.{part}" for part in ("accept", "claim", "rest"))
        self.accept_file.write_bytes(encoded(accept[0].words))
        self.claim_file.write_bytes(encoded(claim.words))
        self.file.write_bytes(b"".join(encoded(call.words) for call in life))

    def fill(self, runs):
        """Makes so many ended runs; none may be queued."""
        return tool("fill", "--redis", self.socket, "--accept", self.accept_file, "--claim", self.claim_file, "--life", self.file,
                    "--id", self.run, "--runs", runs, seconds=300)
