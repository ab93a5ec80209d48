"""Connections that are held: idle ones that have made a request, and watchers of a run that goes nowhere."""
import contextlib
import resource

from measuring import TOOL, Invalid


def raise_open_files():
    """As far as we may; the programs that we start inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def allowed(idle, watching):
    """The same in proportion, if so many files may not be open."""
    room = raise_open_files() - 1000
    share = min(1.0, room / (idle + watching))
    return int(idle * share), int(watching * share)


@contextlib.contextmanager
def holding(server, port, run, idle=0, watching=0):
    """In a process of its own. Fails if one is closed meanwhile; the API closes idle ones after a minute."""
    words = ["--idle", idle, "--idle-request", server.request_file("idle", "GET", f"/api/runs/{server.source}"),
             "--watch", watching, "--watch-request", server.request_file("watch", "GET", f"/api/runs/{run}/events")]
    holder = server.launch(f"hold-{len(server.processes)}", [TOOL, "hold", "--port", port, *words])
    try:
        holder.wait_log("holding", 60)
        yield
        if '"closed"' in holder.log_text() or not holder.alive():
            raise Invalid("connections that were to be held have ended")
    finally:
        server.end(holder)
        holder.log.unlink()  # its name may come again
