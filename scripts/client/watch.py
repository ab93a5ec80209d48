"""Follows one run to its end: a line when a step begins, and one when it ends."""

import sys
import time
from functools import partial

from . import show
from .api import quote
from .patience import Patience

WAIT = 20


class Watcher:
    def __init__(self, api, run_id, out=None):
        self.api, self.run_id = api, run_id
        self.out = out
        self.live = bool(out) and out.isatty()
        self._status = None
        self._begun, self._finished = set(), set()
        self._open_line = False

    def follow(self):
        """Returns the answer that holds the run as it ended."""
        etag, seen, pause, patience = None, None, 0.05, Patience()
        while True:
            asked = time.monotonic()
            headers = {"If-None-Match": etag, "Prefer": f"wait={WAIT}"} if etag else {}
            answer = patience.ask(partial(self.api.get, f"/api/runs/{quote(self.run_id)}", headers=headers, timeout=WAIT + 20))
            if answer is None:
                continue
            changed = answer.status != 304 and answer.body != seen
            if changed:
                seen, etag = answer.body, answer.headers.get("ETag")
                run = answer.json()
                self._tell(run)
                if run.get("status") in show.ENDED:
                    self._close_line()
                    return answer
            # A server that holds its answer until something happens sets the pace itself.
            if time.monotonic() - asked < 0.5:
                pause = 0.05 if changed else min(pause * 1.3, 0.25)
                time.sleep(pause)

    def _tell(self, run):
        if not self.out:
            return
        if self._status is None:
            self._line(f"{run.get('id')}  {self._document(run)}")
        ended = run.get("status") in show.ENDED
        if not ended:
            self._tell_status(run)
        for step in show.steps_of(run):
            self._tell_step(step)
        if ended:
            self._tell_status(run)

    def _document(self, run):
        summary = run.get("inputSummary") or {}
        title = summary.get("title") or (summary.get("document") or {}).get("title") or ""
        return show.clean(title)

    def _tell_status(self, run):
        status = run.get("status")
        if status == self._status:
            return
        # After a lost worker, what was running begins again.
        if status == "queued" and self._status == "running":
            self._begun = set(self._finished)
        self._status = status
        verdict = run.get("verdict")
        if status in show.ENDED:
            verdict = f"verdict {verdict}, {show.took(run.get('createdAt'), run.get('completedAt'))}"
        elif verdict == status:
            verdict = None
        self._line(f"{self._clock()}  {'run ' + status:<24}{show.clean(verdict or '')}".rstrip())

    def _tell_step(self, step):
        this = (step.name, step.attempt)
        again = f", try {step.attempt}" if step.attempt > 1 else ""
        if step.begun and this not in self._begun and step.status != "skipped":
            self._begun.add(this)
            self._line(f"{self._clock(step.begin)}    {step.name:<22}begins{again}", keep_open=True)
        if step.finished and this not in self._finished:
            self._begun.add(this)
            self._finished.add(this)
            reason = f"  {step.reason}" if step.reason else ""
            self._line(f"{self._clock(step.end)}    {step.name:<22}{step.status:<12}{step.took}{again}{reason}",
                       instead=True)

    def _clock(self, text=None):
        at = show.moment(text)
        return at.astimezone().strftime("%H:%M:%S") if at else time.strftime("%H:%M:%S")

    def _line(self, text, keep_open=False, instead=False):
        # On a terminal, the line of a step that ends takes the place of the one that said it begins.
        if self._open_line:
            self.out.write("\r\033[K" if instead else "\n")
        self._open_line = keep_open and self.live
        self.out.write(show.clean(text) + ("" if self._open_line else "\n"))
        self.out.flush()

    def _close_line(self):
        if self._open_line:
            self.out.write("\n")
            self._open_line = False


def follow(api, run_id, out=sys.stdout):
    return Watcher(api, run_id, out).follow()
