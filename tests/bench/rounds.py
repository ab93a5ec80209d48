"""Measures a group: prepares once, then one round after the other. The speed of a shared machine drifts within seconds, so what
is compared is measured in short slices that alternate: the cases of a block, with two builds those of both, one after the
other in an order that the seed shuffles, and all of them again until each has had its time."""
import contextlib
import fcntl
import random
import subprocess

from measuring import Invalid
from resp import RedisError
from server import Server

BEFORE = "before: "


class Rounds:
    def __init__(self, group, options, figures, progress, builds):
        """group: the class. builds: the programs that are measured, and perhaps those that they are compared with."""
        self.options, self.figures, self.progress = options, figures, progress
        self.groups = [group(options, figures, progress, programs, prefix) for prefix, programs in zip(("", BEFORE), builds)]
        self.name, self.number, self.dice = self.groups[0].name, 0, random.Random(f"{options.seed}/{group.__module__}/order")

    def measure(self):
        """What goes wrong is noted, and the rest is measured all the same."""
        self.figures.group, self.figures.round = self.name, 0
        try:
            with self.turn():
                ready = all([self.attempt(group, "preparing", group.prepare) for group in self.groups])
            for self.number in range(1, self.groups[0].rounds + 1) if ready else ():
                with self.turn():
                    self.round()
        finally:
            for group in self.groups:
                group.close()

    def round(self):
        self.figures.round = self.number
        blocks = [[(group, *case) for group, block in zip(self.groups, same) for case in block]
                  for same in zip(*(group.blocks() for group in self.groups))]
        self.dice.shuffle(blocks)
        for cases in blocks:
            for _ in range(self.groups[0].slices):
                self.dice.shuffle(cases)
                for group, name, measure in cases:
                    self.progress.say(f"{self.name}, round {self.number} of {group.rounds}: {group.prefix}{name}")
                    self.attempt(group, name, measure)
        for group in self.groups:
            self.figures.prefix = group.prefix
            group.ratios()
        self.figures.prefix = ""
        if len(self.groups) > 1:
            self.figures.compare(BEFORE)

    def attempt(self, group, name, measure):
        """Whether it counts."""
        Server.programs, self.figures.prefix = group.programs, group.prefix
        try:
            measure()
            return True
        except (Invalid, AssertionError, OSError, RedisError, subprocess.TimeoutExpired) as why:
            self.figures.refuse(name, why)
            self.progress.note(f"  {self.name}, round {self.number}, {group.prefix}{name} does not count: {why}")
            return False

    @contextlib.contextmanager
    def turn(self):
        """Others who measure on this machine, and hold the same lock, do so before or after."""
        if not self.options.lock:
            yield
            return
        with open(self.options.lock, "ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
