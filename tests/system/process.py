"""A program that a test starts, with its log."""
import ctypes
import json
import os
import signal
import subprocess
import time


def processor_seconds(pid):
    """That the process has used so far, in the kernel too."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for(what, condition, seconds=20, every=0.02):
    """Until `condition()` answers something true, which is returned."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(every)


def end_with_us():
    """In a child: SIGKILL when the test is killed, as a runner does at its timeout."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Process:
    def __init__(self, name, argv, directory, log):
        self.name, self.log = name, log
        with open(log, "ab") as out:
            environment = {k: v for k, v in os.environ.items() if not k.startswith("REPRISE_")}
            self.child = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                          cwd=directory, env=environment, start_new_session=True,
                                          preexec_fn=end_with_us)
        self.pid = self.child.pid

    def alive(self):
        return self.child.poll() is None

    def signal(self, number):
        os.kill(self.pid, number)

    def log_text(self):
        return self.log.read_text("utf-8", "replace")

    def wait_log(self, event, seconds=20):
        """The first log line of this event, as a dictionary."""
        def find():
            for line in self.log_text().splitlines():
                if f'"{event}"' in line:
                    return json.loads(line)
            if not self.alive():
                raise AssertionError(f"{self.name} ended before it said {event}:\n{self.log_text()[-4000:]}")
            return None
        return wait_for(f"{self.name} says {event}", find, seconds)

    def stop(self, seconds=15):
        """TERM; answers the exit status."""
        if self.alive():
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            try:
                self.child.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"{self.name} did not end within {seconds} s of TERM") from None
        return self.child.returncode

    def kill(self):
        if self.alive():
            self.signal(signal.SIGKILL)
        self.child.wait()
