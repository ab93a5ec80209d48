"""Clients: starts, retries, cancels and reads at a modest rate, each call logged with what came of it.

A start or retry whose outcome is unknown (no answer, or a 503, which may follow a write) is repeated with the same
Idempotency-Key, on the other API, until it is answered or given up.
"""
import http.client
import json
import random
import re
import threading
import time

from client import Api
from workload import document, plan_for

THREADS, RATE = 6, 12.0       # clients, and their calls per second all together
ANSWER_WITHIN = 12.0          # seconds; an API that is not stopped takes no longer, over a link of 0.5 s either way
OP_TAKES_AT_MOST = 90.0       # seconds with all repeats
QUEUE_HIGH = 120              # runs queued at which no more are asked for: the end must come
ENTRY = re.compile(r"^CODE\((\w+), (\d+),", re.M)


def documented_codes(root):
    return {name: int(status) for name, status in ENTRY.findall((root / "common/error_codes.def").read_text())}


class Client(Api):
    def call(self, *words, **more):
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_WITHIN)
        return super().call(*words, **more)


class Op:
    """One intention of a client, with everything that was answered to it."""

    def __init__(self, number, kind, source=None):
        self.id, self.kind, self.source = f"op-{number}", kind, source
        self.began, self.ended = time.time(), None
        self.runs = set()          # that were answered; more than one is a doubled run
        self.outcome = "unknown"   # ok | fail | unknown
        self.attempts, self.code = 0, None

    @property
    def accepts(self):
        return self.kind in ("start", "retry")


class Load:
    def __init__(self, ports, api_key, seed, root, log):
        self.ports, self.api_key, self.seed = ports, api_key, seed
        self.codes, self.log = documented_codes(root), open(log, "w", encoding="utf-8", buffering=1 << 16)
        self.ops, self.accepted, self.attempts, self.wrong = [], [], [], []
        self.lock, self.over, self.give_up = threading.Lock(), threading.Event(), threading.Event()
        self.queued = 0
        self.threads = [threading.Thread(target=self.work, args=(n,), name=f"client-{n}", daemon=True)
                        for n in range(THREADS)]

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self, grace):
        """No new operations; those under way have `grace` seconds to be answered."""
        self.over.set()
        deadline = time.monotonic() + grace
        for thread in self.threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self.give_up.set()
        for thread in self.threads:
            thread.join(2 * ANSWER_WITHIN)
        self.log.close()

    # --- one client ---

    def work(self, number):
        dice = random.Random(f"{self.seed}/{number}")
        clients = [Client(port, self.api_key) for port in self.ports]
        due = time.monotonic()
        while not self.over.is_set():
            due = max(due + dice.expovariate(RATE / THREADS), time.monotonic() - 1)
            if self.over.wait(max(0.0, due - time.monotonic())):
                break
            op = self.choose(dice)
            body = {"reason": op.id}
            if op.kind == "start":
                body = {"openapiText": document(plan_for(dice), dice.randrange(1 << 30)), "notes": op.id,
                        "projectName": f"project-{dice.randrange(5)}"}
            self.carry_out(op, body, clients, dice)
            if op.runs and op.accepts and dice.random() < 0.05:
                self.attempt(op, body, dice.choice(clients))  # a repeat that need not be: the same run is the answer
        for client in clients:
            client.close()

    def choose(self, dice):
        with self.lock:
            kind = dice.choices(("start", "retry", "cancel", "read"), (35, 35, 10, 20))[0]
            if not self.accepted:
                kind = "start"
            elif self.queued > QUEUE_HIGH and kind in ("start", "retry"):
                kind = "read"
            recent = self.accepted[-12:] if kind == "cancel" else self.accepted
            op = Op(len(self.ops), kind, dice.choice(recent) if kind != "start" else None)
            self.ops.append(op)
            return op

    def carry_out(self, op, body, clients, dice):
        turn = dice.randrange(len(clients))
        deadline = time.monotonic() + OP_TAKES_AT_MOST
        while True:
            status, pause = self.attempt(op, body, clients[turn % len(clients)])
            if status is not None and status != 503:
                break
            if self.give_up.is_set() or time.monotonic() > deadline:
                break
            self.give_up.wait(min(pause, 2.0) * dice.uniform(0.5, 1.0))
            turn += 1
        op.ended = time.time()

    def attempt(self, op, body, client):
        """One call. Answers its status, or None, and how long to wait before the next."""
        op.attempts += 1
        began = time.time()
        self.note(op, "invoke", api=client.port)
        try:
            answer = self.send(op, body, client)
        except ConnectionRefusedError:
            return self.unanswered(op, client, began, "refused")
        except TimeoutError:
            return self.unanswered(op, client, began, "timeout")
        except (OSError, http.client.HTTPException):
            return self.unanswered(op, client, began, "reset")
        return self.answered(op, client, began, answer)

    @staticmethod
    def send(op, body, client):
        headers = {"Idempotency-Key": op.id}
        if op.kind == "start":
            return client.call("POST", "/api/reports/start", body, headers)
        if op.kind == "retry":
            return client.call("POST", f"/api/runs/{op.source}/retry", body, headers)
        if op.kind == "cancel":
            return client.call("POST", f"/api/runs/{op.source}/cancel", body)
        return client.get(f"/api/runs/{op.source}")

    # --- what came of it ---

    def note(self, op, event, **more):
        line = json.dumps({"ns": time.monotonic_ns(), "at": round(time.time(), 4), "op": op.id, "try": op.attempts,
                           "kind": op.kind, "event": event, **more})
        with self.lock:
            self.log.write(line + "\n")

    def tally(self, op, began, what, port):
        with self.lock:
            self.attempts.append((began, time.time(), op.kind, what, port))

    def unanswered(self, op, client, began, how):
        self.note(op, "unknown", how=how, api=client.port)
        self.tally(op, began, how, client.port)
        return None, 0.4

    def answered(self, op, client, began, answer):
        if answer.status == 503:
            self.check_error(op, answer)
            self.note(op, "unknown", status=503, code=op.code, api=client.port)
            self.tally(op, began, "503", client.port)
            wait = answer.headers.get("Retry-After", "1")
            return 503, float(wait) if wait.isdigit() else 1.0
        good = answer.status in (200, 202)
        self.tally(op, began, "ok" if good else "refusal", client.port)
        if good:
            self.take_in(op, answer)
        else:
            self.check_error(op, answer)
            op.outcome = "fail" if op.outcome == "unknown" else op.outcome
        self.note(op, "ok" if good else "fail", status=answer.status, code=op.code, runs=sorted(op.runs))
        return answer.status, 0

    def take_in(self, op, answer):
        op.outcome = "ok"
        if not op.accepts:
            return
        run = answer.json["run"]["id"]
        with self.lock:
            if run not in op.runs:
                op.runs.add(run)
                self.accepted.append(run)
            self.queued = answer.json.get("capabilities", {}).get("queued", self.queued)

    def check_error(self, op, answer):
        """Invariant 13, call by call."""
        wrong = None
        try:
            op.code = answer.json["error"]
            if self.codes.get(op.code) != answer.status:
                wrong = "a code that is not documented for this status"
        except (ValueError, KeyError, TypeError):
            wrong = "no error code"
        if answer.status >= 500 and answer.status != 503:
            wrong = "a 5xx that is not 503"
        if answer.status == 503 and not answer.headers.get("Retry-After", "").isdigit():
            wrong = "a 503 without Retry-After"
        if wrong:
            with self.lock:
                self.wrong.append(f"{op.id} {op.kind}: {wrong}: {answer!r:.300}")

    # --- figures ---

    def unavailable_seconds(self, stopped):
        """Seconds in which accepts were tried, and none was answered with a run. A call to an API that is stopped
        only says that its client has not looked for another."""
        good, bad = set(), set()
        for began, ended, kind, what, port in self.attempts:
            if what == "ok" and kind in ("start", "retry"):
                good.add(int(ended))
            elif kind in ("start", "retry") and not (what == "timeout" and self.meets(stopped, port, began, ended)):
                bad.update(range(int(began), int(ended) + 1))
        return len(bad - good)

    @staticmethod
    def meets(stopped, port, began, ended):
        return any(p == port and a <= ended and b >= began for p, a, b in stopped)

    def hangs(self, stopped):
        """Calls without an answer in time although the API was not stopped. stopped: [(port, from, until)]."""
        out = []
        for began, ended, kind, what, port in self.attempts:
            if what == "timeout" and not self.meets(stopped, port, began, ended):
                out.append(f"{kind} at {began:.1f}: no answer within {ANSWER_WITHIN:g} s from port {port}")
        return out
