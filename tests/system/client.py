"""Calls of the REST API."""
import http.client
import json


class Answer:
    def __init__(self, raw, body):
        self.status, self.headers, self.body = raw.status, raw.headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:600]!r}"


class Api:
    """Calls of one API key over one connection that is kept."""

    def __init__(self, port, key=None):
        self.port, self.key, self.connection = port, key, None

    def call(self, method, path, body=None, headers=None, key=None):
        sent = {"Content-Type": "application/json"} if body is not None else {}
        key = self.key if key is None else key
        if key:
            sent["Authorization"] = "Bearer " + key
        sent.update(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            self.connection.request(method, path, body, {k: v for k, v in sent.items() if v is not None})
            raw = self.connection.getresponse()
            answer = Answer(raw, raw.read())
        except BaseException:
            self.close()
            raise
        if raw.will_close:
            self.close()
        return answer

    def get(self, path, **more):
        return self.call("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.call("POST", path, {} if body is None else body, **more)

    def start(self, text, **fields):
        return self.post("/api/reports/start", {"openapiText": text, **fields})

    def retry(self, run, **body):
        return self.post(f"/api/runs/{run}/retry", body)

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    __del__ = close
