"""Requests byte by byte, as no client library would send them, and what came back."""
import json
import re
import socket
import time

BODILESS = (204, 304)


class Answer:
    def __init__(self, version, status, headers, body):
        self.version, self.status, self.headers, self.body = version, status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


class Fields(dict):
    """Header fields by name in any case; lookup of an absent one answers None, as http.client's do."""

    def __getitem__(self, name):
        return self.get(name.lower())

    def __contains__(self, name):
        return super().__contains__(name.lower())


def read_head(head):
    first, *lines = head.decode("latin-1").split("\r\n")
    found = re.fullmatch(r"(HTTP/1\.[01]) (\d{3}) [ -~]*", first)
    assert found, f"no status line: {first!r}"
    fields = Fields()
    for line in lines:
        name, colon, value = line.partition(":")
        assert colon and re.fullmatch(r"[!-9;-~]+", name) and re.fullmatch(r"[\t -~]*", value), f"no field: {line!r}"
        fields[name.lower()] = value.strip()
    return found[1], int(found[2]), fields


class Connection:
    """source: the address to come from; all of 127.0.0.0/8 is the loopback, so a test can be several callers."""

    def __init__(self, port, timeout=10, source="127.0.0.1", receive_buffer=None):
        self.socket, self.buffer, self.over, self.was_reset = socket.socket(), b"", False, False
        self.socket.settimeout(timeout)
        try:
            if receive_buffer:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self.socket.bind((source, 0))
            self.socket.connect(("127.0.0.1", port))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            self.socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """Answers whether all of it could be sent: who is answered early may find the connection gone."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def end_sending(self):
        self.socket.shutdown(socket.SHUT_WR)

    def more(self):
        """Whether something came; False once the server has ended the connection."""
        try:
            piece = self.socket.recv(1 << 16)
        except ConnectionResetError:
            self.was_reset, piece = True, b""
        self.buffer += piece
        self.over = self.over or not piece
        return not self.over

    def take(self, size):
        while len(self.buffer) < size:
            assert self.more(), f"the answer ends in its middle: {self.buffer[:200]!r}"
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def take_line(self):
        while b"\r\n" not in self.buffer:
            assert self.more(), f"the answer ends in its middle: {self.buffer[:200]!r}"
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def head(self):
        """Version, status and fields of the next answer; nothing if the server ended the connection instead."""
        while b"\r\n\r\n" not in self.buffer:
            if not self.more():
                assert self.buffer == b"", f"no whole answer: {self.buffer[:200]!r}"
                return None
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return read_head(head)

    def answer(self, of_head=False):
        """The next answer, or nothing if the connection ended without one. Interim ones are passed over."""
        head = self.head()
        while head and head[1] == 100:
            head = self.head()
        if head is None:
            return None
        version, status, fields = head
        if of_head or status in BODILESS:
            return Answer(version, status, fields, b"")
        if fields["Transfer-Encoding"] == "chunked":
            return Answer(version, status, fields, b"".join(self.chunks()))
        assert fields["Content-Length"] is not None, fields
        return Answer(version, status, fields, self.take(int(fields["Content-Length"])))

    def chunks(self):
        while size := int(self.take_line(), 16):
            yield self.take(size)
            self.take_line()
        self.take_line()

    def ended(self):
        """Whether the server ends the connection, having said nothing more."""
        while not self.over:
            try:
                if self.more():
                    return False
            except TimeoutError:
                return False
        return self.buffer == b""


def exchange(port, data, timeout=10, source="127.0.0.1"):
    """Sends these bytes and reads until the server ends the connection: all answers, and the seconds it took."""
    began, answers = time.monotonic(), []
    with Connection(port, timeout, source) as connection:
        connection.send(data)
        while answer := connection.answer():
            answers.append(answer)
    return answers, time.monotonic() - began


def request(method, target, *fields, body=None, key=None, host="x", version="HTTP/1.1"):
    """The bytes of a request. Fields are whole lines, of text or bytes, and stand as they are given."""
    lines = [f"{method} {target} {version}"] if isinstance(target, str) else [method.encode() + b" " + target
                                                                              + b" HTTP/1.1"]
    lines += [f"Host: {host}"] if host is not None else []
    lines += [f"Authorization: Bearer {key}"] if key else []
    lines += fields
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return b"".join((line if isinstance(line, bytes) else line.encode()) + b"\r\n"
                    for line in lines) + b"\r\n" + (body or b"")
