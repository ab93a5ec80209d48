"""What was measured: values by name and round, ratios taken within one round, and their medians."""
import collections
import re
import statistics

Row = collections.namedtuple("Row", "group name unit median low high rounds")


class Figures:
    def __init__(self):
        self.values, self.slices, self.units, self.invalid, self.bounds = {}, {}, {}, [], {}
        self.group, self.round, self.prefix = "", 0, ""

    def add(self, name, value, unit):
        """Of this round; of several slices, their mean counts."""
        key = self.group, self.prefix + name
        self.slices.setdefault(key, {}).setdefault(self.round, []).append(value)
        self.values.setdefault(key, {})[self.round] = statistics.mean(self.slices[key][self.round])
        self.units[key] = unit

    def get(self, name):
        """Of this round; None when it was not measured."""
        return self.values.get((self.group, self.prefix + name), {}).get(self.round)

    def ratio(self, name, above, below):
        """Of two figures of this round, by their names; nothing when one is missing."""
        a, b = self.get(above), self.get(below)
        if a is not None and b:
            self.add(name, a / b, "x")

    def bound(self, name, most):
        """The median of all rounds may not be more."""
        self.bounds[self.group, self.prefix + name] = most

    def beyond(self):
        return [row for row in self.rows() if row.median > self.bounds.get((row.group, row.name), float("inf"))]

    def compare(self, before):
        """Everything of this round with what is called the same but for `before`."""
        for group, name in list(self.values):
            if group == self.group and not name.startswith((before, "now / ")) and self.units[group, name] != "x":
                self.ratio(f"now / {before}{name}", name, before + name)

    def refuse(self, name, why):
        self.invalid.append({"group": self.group, "round": self.round, "case": self.prefix + name, "why": str(why)})

    def rows(self):
        """Group by group in the order in which they were measured."""
        groups = list(dict.fromkeys(group for group, _ in self.values))
        for group, name in sorted(self.values, key=lambda key: (groups.index(key[0]), in_order(key[1]))):
            by_round = self.values[group, name]
            found = list(by_round.values())
            yield Row(group, name, self.units[(group, name)], statistics.median(found), min(found), max(found), len(found))


def in_order(name):
    """For sorting: numbers by value, modes of the append-only file from the least that they promise."""
    for place, mode in enumerate(("none", "everysec", "always")):
        name = name.replace(f"aof {mode}", f"aof {place}")
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name.replace(",", "")) if part]


def shown(value, unit):
    if unit == "x":
        return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.4f}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(figures):
    """Lines for people: the figures of each group, and at the end the ratios, which are what holds."""
    rows = list(figures.rows())
    width = max((len(row.name) for row in rows), default=0) + 2
    lines = [f"{'':<{width}} {'median':>10} {'least':>10} {'most':>10} {'rounds':>6}"]
    groups = list(dict.fromkeys(row.group for row in rows))
    for title, wanted in (("", lambda row: row.unit != "x"), (", ratios within a round", lambda row: row.unit == "x")):
        for group in groups:
            mine = [row for row in rows if row.group == group and wanted(row)]
            lines += ["", group + title] if mine else []
            for row in mine:
                values = " ".join(f"{shown(v, row.unit):>10}" for v in (row.median, row.low, row.high))
                lines.append(f"  {row.name:<{width - 2}} {values} {row.rounds:>6} {'' if row.unit == 'x' else row.unit}".rstrip())
    for row in figures.beyond():
        lines.append(f"  BEYOND {figures.bounds[row.group, row.name]} {row.group}, {row.name}: {shown(row.median, row.unit)}")
    for lost in figures.invalid:
        lines.append(f"  INVALID {lost['group']}, round {lost['round']}, {lost['case']}: {lost['why']}")
    return "\n".join(lines)


def as_json(figures):
    return {"figures": [dict(row._asdict(), values=list(figures.values[(row.group, row.name)].values())) for row in figures.rows()],
            "invalid": figures.invalid, "beyond": [row.name for row in figures.beyond()]}
