"""What the groups of measurements have in common: prepare once, then one round after the other, then close. Within a round
the blocks, and the cases of a block, come in an order that the seed shuffles anew, so that none always follows the same other."""
import random
import subprocess

from measuring import Invalid


class Group:
    def __init__(self, options, figures, progress):
        self.options, self.figures, self.progress = options, figures, progress
        self.dice, self.servers = random.Random(f"{options.seed}/{self.name}"), []
        self.number, self.ready = 0, False
        figures.group, figures.round = self.name, 0

    @property
    def rounds(self):
        return self.options.rounds

    @property
    def name(self):
        return type(self).__module__

    def prepare(self):
        raise NotImplementedError

    def blocks(self):
        """The measurements of a round: lists of (name, function without arguments)."""
        raise NotImplementedError

    @staticmethod
    def case(function, *arguments):
        return lambda: function(*arguments)

    def ratios(self):
        """After the measurements of a round."""

    def server(self, made):
        """Closed with the group."""
        self.servers.append(made)
        return made

    def percentiles(self, name, said):
        for part, shown in (("p50", "p50"), ("p99", "p99"), ("p999", "p99.9")):
            self.figures.add(f"{name}: {shown}", said[part], "us")

    def measure(self):
        """Everything. What goes wrong is noted, and the rest is measured all the same."""
        try:
            self.attempt("prepare", self.prepare)
            for number in range(1, self.rounds + 1) if self.ready else ():
                self.round(number)
        finally:
            self.close()

    def round(self, number):
        self.number = self.figures.round = number
        blocks = list(self.blocks())
        self.dice.shuffle(blocks)
        for cases in blocks:
            self.dice.shuffle(cases)
            for name, measure in cases:
                self.progress.say(f"{self.name}, round {number} of {self.rounds}: {name}")
                self.attempt(name, measure)
        self.ratios()

    def attempt(self, name, measure):
        try:
            measure()
            self.ready = True
        except (Invalid, AssertionError, OSError, subprocess.TimeoutExpired) as why:
            self.figures.refuse(name, why)
            self.progress.note(f"  {self.name}, round {self.number}, {name} does not count: {why}")

    def close(self):
        for made in self.servers:
            for fault in made.close():
                self.progress.note(f"  {self.name}: {fault}")
