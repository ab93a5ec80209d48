"""The REST API as the client sees it: one request at a time, errors as exceptions. Knows HTTP, prints nothing."""

import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid


class Refused(Exception):
    """The API answered, and said no."""

    def __init__(self, status, body, retry_after=None):
        self.status, self.body, self.retry_after = status, body, retry_after
        try:
            said = json.loads(body)
            self.code, self.message = str(said["error"]), str(said.get("message", ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            self.code, self.message = f"http_{status}", body[:200].decode("utf-8", "replace").strip()
        super().__init__(f"{self.code}: {self.message}" if self.message else self.code)


class Unreachable(Exception):
    """Nobody answered, or what answered is not the API."""


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            raise Unreachable("the answer is not JSON; is this the address of Reprise?") from None


class _StayHere(urllib.request.HTTPRedirectHandler):
    """The API redirects nowhere; following one would hand the key to whoever sent it."""

    def redirect_request(self, *args, **kwargs):
        return None


# Refused for now, not for good; the server says when to come back.
LATER = (429, 503)
TRIES = 4


class Api:
    def __init__(self, url, key):
        self.url, self._key = url.rstrip("/"), key
        handlers = [_StayHere()]
        if urllib.parse.urlsplit(self.url).hostname in ("127.0.0.1", "::1", "localhost"):
            # A proxy in the environment cannot reach this machine's loopback.
            handlers.append(urllib.request.ProxyHandler({}))
        self._opener = urllib.request.build_opener(*handlers)

    def get(self, path, query=None, headers=None, timeout=30):
        return self._ask("GET", path, query, None, headers or {}, timeout)

    def post(self, path, body, key=None, tries=TRIES):
        """`key`: what a repetition of this very call, perhaps by another process, is known by. `tries`: 1 for what the
        API does again when it is asked again."""
        # One key for all tries: however often the request gets there, it counts once.
        headers = {"Content-Type": "application/json", "Idempotency-Key": key or str(uuid.uuid4())}
        return self._ask("POST", path, None, json.dumps(body).encode(), headers, 60, tries)

    def open(self, path, query):
        """A response to be read piece by piece."""
        return self._open(self._request("GET", path, query, None, {"Accept": "*/*"}), 60)

    def _ask(self, method, path, query, body, headers, timeout, tries=TRIES):
        request = self._request(method, path, query, body, headers)
        for attempt in range(1, tries + 1):
            try:
                with self._open(request, timeout) as response:
                    return Answer(response.status, response.headers, response.read())
            except Refused as refused:
                if refused.status not in LATER or attempt == tries:
                    raise
                time.sleep(min(_seconds(refused.retry_after, attempt), 10))
            except (OSError, http.client.HTTPException) as error:
                raise Unreachable(f"{self.url} broke off its answer: {error}") from None

    def _request(self, method, path, query, body, headers):
        target = self.url + path
        if query:
            target += "?" + urllib.parse.urlencode({k: v for k, v in query.items() if v is not None})
        request = urllib.request.Request(target, data=body, method=method)
        request.add_header("Accept", "application/json")
        request.add_header("User-Agent", "reprise-client")
        for name, value in headers.items():
            request.add_header(name, value)
        if self._key:
            request.add_unredirected_header("Authorization", "Bearer " + self._key)
        return request

    def _open(self, request, timeout):
        try:
            return self._opener.open(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            if error.code == 304:
                return error
            with error:
                refused = Refused(error.code, error.read(), error.headers.get("Retry-After"))
            raise refused from None
        except urllib.error.URLError as error:
            raise Unreachable(f"cannot reach {self.url}: {error.reason}") from None
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"cannot reach {self.url}: {error}") from None


def _seconds(text, default):
    try:
        return max(float(text), 0.1)
    except (TypeError, ValueError):
        return default


def quote(part):
    return urllib.parse.quote(part, safe="")
