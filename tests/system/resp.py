"""A small Redis client: enough of the protocol to look at what the programs wrote."""
import socket


class RedisError(Exception):
    pass


class Redis:
    def __init__(self, path, user=None, password=None, timeout=20):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise
        self.file = self.socket.makefile("rb")
        if password:
            self.call("AUTH", user, password)

    def send(self, *words):
        parts = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        self.socket.sendall(b"".join([b"*%d\r\n" % len(parts)] + [b"$%d\r\n%s\r\n" % (len(p), p) for p in parts]))

    def read(self, text=True):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Redis closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return RedisError(rest.decode())
        if kind == b":":
            return int(rest)
        size = int(rest)
        if size < 0:
            return None
        if kind == b"$":
            body = self.file.read(size + 2)[:-2]
            return body.decode("utf-8", "surrogateescape") if text else body
        return [self.read(text) for _ in range(size)]

    def call(self, *words, text=True):
        self.send(*words)
        answer = self.read(text)
        if isinstance(answer, RedisError):
            raise answer
        return answer

    def transaction(self, commands):
        """All commands in one MULTI: their answers, as of one moment."""
        everything = [("MULTI",)] + list(commands) + [("EXEC",)]
        for words in everything:
            self.send(*words)
        answers = [self.read() for _ in everything]
        if isinstance(answers[-1], RedisError):
            raise answers[-1]
        for answer in answers[-1]:
            if isinstance(answer, RedisError):
                raise answer
        return answers[-1]

    def hash(self, key):
        flat = self.call("HGETALL", key)
        return dict(zip(flat[::2], flat[1::2]))

    def close(self):
        self.file.close()
        self.socket.close()


def pairs(flat):
    return dict(zip(flat[::2], flat[1::2]))
