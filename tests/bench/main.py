"""Measures a running Reprise against yardsticks of the same machine in the same minute.

Needs REPRISE_BIN, the directory of the programs, and bench_tool. What a machine shared with others does in a second says
little; so what is compared is measured within one round, and what is reported of a ratio is its median over the rounds.
"""
import argparse
import importlib
import json
import os
import pathlib
import random
import signal
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system")]

# pylint: disable=wrong-import-position
from figures import Figures, as_json, table  # noqa: E402
from held import raise_open_files  # noqa: E402
from plots import Plots, pyplot  # noqa: E402
from progress import Progress  # noqa: E402
from rounds import Rounds  # noqa: E402
from server import AOF, BIN, file_system, find_programs  # noqa: E402

GROUPS = ("accept", "offered", "life", "latency", "recovery", "memory", "growth", "pages", "crowd", "instructions")


def arguments():
    groups = "\n".join("  " + importlib.import_module(name).__doc__.replace("\n", "\n    ") for name in GROUPS)
    p = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.split("\n\n", maxsplit=1)[0],
                                formatter_class=argparse.RawDescriptionHelpFormatter, epilog="groups:\n" + groups)
    p.add_argument("--rounds", type=int, default=5, help="default 5")
    p.add_argument("--seconds", type=int, default=3, help="that a measurement takes, in slices of one second; default 3")
    p.add_argument("--only", default=",".join(GROUPS), metavar="GROUP,...", help="of: " + " ".join(GROUPS))
    p.add_argument("--quick", action="store_true",
                   help="one or two rounds of one second each, aof none, less of everything: about two minutes")
    p.add_argument("--aof", default=None, metavar="MODE,...", help="of: none everysec always; default: all of them")
    p.add_argument("--connections", default=None, metavar="N,...", help="of accept; default: 1,16,64,256")
    p.add_argument("--concurrency", default=None, metavar="N,...", help="of life; default: 1,64,1024")
    p.add_argument("--full", action="store_true", help="growth and pages to a million finished runs (3 GB of memory, minutes to fill)")
    p.add_argument("--threads", type=int, default=1, help="of the API; default 1, so that it is one of two busy processes")
    p.add_argument("--against", type=pathlib.Path, metavar="DIR",
                   help="also measures the programs in DIR, in the same rounds, and compares")
    p.add_argument("--lock", metavar="FILE", help="holds this lock in each round, so that others can take turns")
    p.add_argument("--json", action="store_true", help="one object on stdout instead of the table")
    p.add_argument("--plot", type=pathlib.Path, nargs="?", const=HERE / "plots", metavar="DIR",
                   help="draws what was measured, as SVG; default DIR tests/bench/plots")
    p.add_argument("--profile", type=pathlib.Path, metavar="DIR", help="leaves callgrind's files of `instructions` there")
    p.add_argument("--seed", type=int, help="of the order of the cases; printed, and by default another one each time")
    args = p.parse_args()
    if args.quick:
        args.rounds, args.seconds = min(args.rounds, 2), 1
    args.only = [name for name in args.only.split(",") if name]
    args.aof = [mode for mode in (args.aof or ("none" if args.quick else ",".join(AOF))).split(",") if mode]
    args.connections = [int(n) for n in (args.connections or ("16,64" if args.quick else "1,16,64,256")).split(",")]
    args.concurrency = [int(n) for n in (args.concurrency or ("64" if args.quick else "1,64,1024")).split(",")]
    if set(args.only) - set(GROUPS) or set(args.aof) - set(AOF):
        p.error(f"groups are {', '.join(GROUPS)}; modes of the append-only file are {', '.join(AOF)}")
    if not 1 <= args.rounds <= 100 or not 1 <= args.seconds <= 60 or not args.only or not args.aof:
        p.error("--rounds takes 1 to 100, --seconds 1 to 60")
    args.seed = random.SystemRandom().randrange(1 << 31) if args.seed is None else args.seed
    return args


def main():
    args = arguments()
    builds = [pathlib.Path(BIN), *([args.against] if args.against else [])]
    find_programs(builds, args.only)
    if args.plot:
        pyplot()  # if it is not there, better said now than at the end
    raise_open_files()
    figures, progress, load = Figures(), Progress(), os.getloadavg()[0]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is cleared up then, too
    cut = 0
    try:
        for name in args.only:
            Rounds(importlib.import_module(name).Bench, args, figures, progress, builds).measure()
    except (KeyboardInterrupt, SystemExit) as ended:  # what has been measured by then is told all the same
        cut = ended.code if isinstance(ended, SystemExit) else 130
    progress.note("")
    how = (f"{args.rounds} rounds, {args.seconds} s a case, API threads: {args.threads}, {os.cpu_count()} processors, "
           f"load {load:.1f} beforehand, append-only file on {file_system(tempfile.gettempdir())}, seed {args.seed}")
    for file in Plots(figures, args, args.plot).draw() if args.plot else ():
        progress.note(f"drawn: {file}")
    if args.json:
        print(json.dumps({"rounds": args.rounds, "seconds": args.seconds, "threads": args.threads, "seed": args.seed,
                          "how": how, **as_json(figures)}))
    else:
        print(table(figures))
        print(f"\n{how}\n{len(list(figures.rows()))} figures, {len(figures.invalid)} measurements that do not count, "
              f"{len(figures.beyond())} of {len(figures.bounds)} bounded ones beyond their bound")
    return cut or (1 if figures.invalid or figures.beyond() else 0)


if __name__ == "__main__":
    sys.exit(main())
