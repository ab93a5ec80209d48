"""What the groups of measurements have in common: what they prepare, the cases of a round, and what is compared afterwards."""
import random

SLICE = 1  # seconds


class Group:
    """programs: of the build that is measured; `prefix` is before the names of what it measures."""
    QUICK, MOST = 1, 100  # rounds: with --quick, and where more would say nothing more
    SLICED = True         # its cases last a slice each, as often as makes up what was asked for

    def __init__(self, options, figures, progress, programs, prefix=""):
        self.options, self.figures, self.progress, self.programs, self.prefix = options, figures, progress, programs, prefix
        self.dice, self.servers = random.Random(f"{options.seed}/{self.name}"), []

    @property
    def name(self):
        return type(self).__module__

    @property
    def rounds(self):
        return min(self.options.rounds, self.QUICK if self.options.quick else self.MOST)

    @property
    def slices(self):
        return self.options.seconds // SLICE if self.SLICED else 1

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

    def close(self):
        for made in self.servers:
            for fault in made.close():
                self.progress.note(f"  {self.name}: {fault}")
