"""What the groups of measurements have in common: prepare once, then one round after the other, then close. Within a round
the cases come in an order that the seed shuffles anew, so that none always follows the same other."""
import random

from measuring import Invalid


class Group:
    def __init__(self, options, figures, progress):
        self.options, self.figures, self.progress = options, figures, progress
        self.dice, self.servers = random.Random(f"{options.seed}/{self.name}"), []

    @property
    def name(self):
        return type(self).__module__

    def prepare(self):
        raise NotImplementedError

    def cases(self):
        """(name, function without arguments) of each measurement of a round."""
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

    def round(self, number):
        self.figures.group, self.figures.round = self.name, number
        cases = self.cases()
        self.dice.shuffle(cases)
        for name, measure in cases:
            self.progress.say(f"{self.name}, round {number} of {self.options.rounds}: {name}")
            try:
                measure()
            except Invalid as why:
                self.figures.refuse(name, why)
                self.progress.note(f"  {self.name}, round {number}, {name} does not count: {why}")
        self.ratios()

    def close(self):
        for made in self.servers:
            for fault in made.close():
                self.progress.note(f"  {self.name}: {fault}")
