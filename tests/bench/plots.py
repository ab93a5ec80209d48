"""The pictures of what was measured: medians over the rounds, with bars from the least to the most. As SVG with a ground of its
own, to be read on light and dark pages, and the same bytes for the same figures."""
import pathlib
import sys

COLOURS = {"none": "#1f6fb4", "everysec": "#c77d0a", "always": "#b3261e"}
SAID = {"none": "no append-only file", "everysec": "appendfsync everysec", "always": "appendfsync always"}
GREY, LINES = "#5f6368", ("#1f6fb4", "#c77d0a", "#b3261e")


def pyplot():
    try:
        import matplotlib  # pylint: disable=import-outside-toplevel
    except ImportError:
        sys.exit("no matplotlib for this Python; scripts/setup --bench installs it")
    matplotlib.use("svg")
    from matplotlib import pyplot as plt  # pylint: disable=import-outside-toplevel
    plt.rcParams.update({"svg.hashsalt": "reprise", "svg.fonttype": "path", "font.size": 10, "axes.grid": True,
                         "grid.color": "#e3e3e3", "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False,
                         "figure.facecolor": "white", "axes.facecolor": "white", "savefig.facecolor": "white"})
    return plt


class Plots:
    def __init__(self, figures, options, directory):
        self.options, self.directory, self.plt = options, pathlib.Path(directory), pyplot()
        self.rows = {(row.group, row.name): row for row in figures.rows()}

    def draw(self):
        """Answers the files. What was not measured is not drawn."""
        self.directory.mkdir(parents=True, exist_ok=True)
        drawn = [draw() for draw in (self.accept, self.offered, self.growth)]
        return [file for file in drawn if file]

    def points(self, group, named):
        """named: [(x, name)]. Those that were measured, as (x, row)."""
        return [(x, self.rows[group, name]) for x, name in named if (group, name) in self.rows]

    @staticmethod
    def line(axes, points, scale=1.0, **how):
        xs, rows = [x for x, _ in points], [row for _, row in points]
        bars = [[(row.median - row.low) * scale for row in rows], [(row.high - row.median) * scale for row in rows]]
        axes.errorbar(xs, [row.median * scale for row in rows], yerr=bars, marker="o", markersize=4, capsize=2,
                      linewidth=1.5, **how)

    def save(self, figure, name):
        file = self.directory / f"{name}.svg"
        for axes in figure.axes:  # once all is drawn: where axes are shared, it would settle the top, too
            axes.set_ylim(bottom=0)
        figure.tight_layout()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        self.plt.close(figure)
        return file

    @staticmethod
    def finish(axes, title, x, y):
        axes.set_title(title, loc="left", fontsize=11)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.legend(frameon=False, fontsize=9)

    def accept(self):
        lines = {aof: self.points("accept", [(n, f"aof {aof}, {n} conn: accepted") for n in self.options.connections])
                 for aof in self.options.aof}
        if not any(lines.values()):
            return None
        figure, axes = self.plt.subplots(figsize=(7.5, 4.2))
        for aof, found in lines.items():
            if found:
                self.line(axes, found, 1e-3, color=COLOURS[aof], label=f"accepted, {SAID[aof]}")
            for _, row in self.points("accept", [(0, f"aof {aof}, ceiling")]):
                axes.axhline(row.median / 1000, color=COLOURS[aof], linestyle="--", linewidth=1, label=f"ceiling, {SAID[aof]}")
        for _, row in self.points("accept", [(0, "floor, 64 connections")]):
            axes.axhline(row.median / 1000, color=GREY, linestyle=":", linewidth=1.2, label="bare HTTP server, 64 connections")
        axes.set_xscale("log", base=2)
        axes.set_xticks(self.options.connections, [str(n) for n in self.options.connections])
        threads = "one thread" if self.options.threads == 1 else f"{self.options.threads} threads"
        self.finish(axes, f"Retries accepted by an API of {threads}", "connections", "thousand retries per second")
        return self.save(figure, "accept")

    def offered(self):
        shares = (25, 50, 75, 90)
        modes = [aof for aof in self.options.aof if ("offered", f"aof {aof}, 25 %: p50") in self.rows]
        if not modes:
            return None
        figure, all_axes = self.plt.subplots(1, len(modes), figsize=(3.2 * len(modes) + 1, 3.8), squeeze=False, sharey=True)
        for axes, aof in zip(all_axes[0], modes):
            for colour, part in zip(LINES, ("p50", "p99", "p99.9")):
                offered = {share: self.rows["offered", f"aof {aof}, {share} %: offered"].median / 1000 for share in shares
                           if ("offered", f"aof {aof}, {share} %: offered") in self.rows}
                self.line(axes, self.points("offered", [(offered[s], f"aof {aof}, {s} %: {part}") for s in offered]), 1e-3,
                          color=colour, label=part)
            axes.set_xlim(left=0)
            self.finish(axes, SAID[aof], "thousand retries offered per second", "ms from when it was due")
        return self.save(figure, "offered")

    def growth(self):
        sizes = {kind: sorted(int(name.split()[0].replace(",", "")) for group, name in self.rows
                              if group == "growth" and name[0].isdigit() and name.endswith(f" {kind}: accepted"))
                 for kind in ("finished", "queued")}
        if not all(sizes.values()):
            return None
        figure, all_axes = self.plt.subplots(1, 2, figsize=(8, 3.8), sharey=True)
        for axes, kind in zip(all_axes, sizes):
            for colour, what in zip(LINES, ("accepted", "worked off")):
                found = self.points("growth", [(size, f"{size:,} {kind}: {what}") for size in sizes[kind]])
                self.line(axes, found, 1e-3, color=colour, label=what)
            axes.set_xscale("log")
            self.finish(axes, f"with so many {kind} runs", f"{kind} runs in Redis", "thousand runs per second")
        return self.save(figure, "growth")
