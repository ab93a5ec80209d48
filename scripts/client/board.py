"""What `top` knows: gathered by threads of its own, so that the terminal answers at once however slow the API is."""

import collections
import http.client
import json
import threading
import time

from .api import Refused, Unreachable

LINE = 1 << 16
HISTORY_EVERY = 10  # seconds, as the API samples
AGAIN = 2
EVENTS = 200


class Board:
    def __init__(self, api):
        self.api = api
        self.me = self.overview = self.queue = self.workers = self.history = None
        self.trouble = None
        self._events = collections.deque(maxlen=EVENTS)
        self._lock, self._sampled, self._at_once = threading.Lock(), 0, threading.Event()

    def look(self):
        """Once around; raises what the API's answers give reason to."""
        self.me = self.me or self._get("/api/me")
        self.overview, self.queue = self._get("/api/overview"), self._get("/api/queue")
        self.workers = self._get("/api/workers")
        if time.monotonic() - self._sampled >= HISTORY_EVERY or not self.history:
            self.history, self._sampled = self._get("/api/history"), time.monotonic()

    def look_back(self):
        """What the newest runs came to, for as long as nothing else has happened."""
        for run in reversed(self._get("/api/runs", {"limit": 20})["runs"]):
            self.happened({"at": run.get("completedAt") or run["createdAt"], "run": run["id"], "org": run["orgId"],
                           "type": "run." + run["status"]})

    def happened(self, event):
        with self._lock:
            self._events.append(event)

    def events(self):
        """The latest first."""
        with self._lock:
            return list(reversed(self._events))

    def raw(self):
        return {"overview": self.overview, "queue": self.queue, "workers": self.workers["workers"],
                "totals": self.workers["totals"], "history": self.history, "latest": self.events()}

    def begin(self, every, changed):
        """`changed`: called, from whatever thread, when there is news."""
        for work, words in ((self._keep_looking, (every, changed)), (self._listen, (changed,))):
            threading.Thread(target=work, args=words, daemon=True).start()

    def look_now(self):
        self._at_once.set()

    def _get(self, path, query=None):
        return self.api.get(path, query).json()

    def _keep_looking(self, every, changed):
        while True:
            try:
                self.look()
                self.trouble = None
            except (Refused, Unreachable) as why:
                self.trouble = str(why)
            changed()
            self._at_once.wait(every)
            self._at_once.clear()

    def _listen(self, changed):
        """The feed begins with now: what passes while nobody listens is not told later."""
        while True:
            try:
                with self.api.open("/api/feed", None) as feed:
                    while (line := feed.readline(LINE)).endswith(b"\n"):
                        if line.startswith(b"data: "):
                            self.happened(json.loads(line[6:]))
                            changed()
            except (Refused, Unreachable, OSError, http.client.HTTPException, ValueError):
                pass  # the other thread says what is wrong
            time.sleep(AGAIN)
