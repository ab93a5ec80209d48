"""A wave of retries that the server drives: begun, followed, and stopped when whoever began it has had enough."""

import contextlib
import signal
import time
from functools import partial

from .api import Refused, Unreachable, quote
from .command import say
from .patience import Patience
from .show import clean
from .show_service import progress

UNDER_WAY = ("canary", "running")
EVERY = 0.5


@contextlib.contextmanager
def begun(api, body):
    """A new wave, while its beginner looks on: Ctrl-C in here stops it on the server before it goes its way."""
    # Heard before the answer, it would leave a wave of which nobody knows the name.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        answer = api.post("/api/bulk", body, tries=1)  # asked again, it is another wave
        wave = answer.json()["bulk"]["id"]
    except BaseException:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        raise
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        yield wave, answer
    except KeyboardInterrupt:
        try:
            say(progress(stop(api, wave, "interrupted").json()["bulk"]))
        except (Refused, Unreachable, KeyboardInterrupt) as why:
            say(f"it may go on ({why}); scripts/reprise dead stop {wave}")
        raise
    except Exception:
        say(f"it may go on; scripts/reprise dead stop {wave}")
        raise


def stop(api, wave, reason):
    return api.post(f"/api/bulk/{quote(wave)}/stop", {"reason": reason} if reason else {})


def follow(api, wave, out):
    """Returns the answer that holds the wave as it ended. A terminal sees it move, what else reads `out` a line per state."""
    live, told, patience = bool(out) and out.isatty(), None, Patience()
    try:
        while True:
            answer = patience.ask(partial(api.get, f"/api/bulk/{quote(wave)}"))
            if answer is None:
                continue
            now = answer.json()["bulk"]
            over = now["state"] not in UNDER_WAY
            if out and (live or over or now["state"] != told):
                out.write(f"\r\033[K{clean(progress(now))}" if live else f"{clean(progress(now))}\n")
                out.flush()
            told = now["state"]
            if over:
                return answer
            time.sleep(EVERY)
    finally:
        if live and told:
            out.write("\n")
