"""The command top: how the service does, drawn in place again and again; or once, as plain text."""

import sys
import time

from . import screen, top_frame
from .board import Board
from .command import positive, write_json

INTERRUPT, REDRAW = 0x03, 0.1  # seconds at least between two pictures


def add(commands):
    one = commands.add("top", top, "watch rates, queue, workers, warnings and what happens; q quits", operator=True)
    one.description += (
        "\n\nWithout a terminal on both ends it prints how things stand, once. --json does so too, with the API's answers.\n"
        "Keys: q quits, the space bar looks again at once.")
    one.add_argument("--once", action="store_true", help="print how things stand, and end")
    one.add_argument("--every", metavar="S", type=positive, default=2, help="seconds between two looks (2)")


def top(api, args):
    if args.json or args.once or not screen.fits():
        board = Board(api)
        board.look()
        board.look_back()
        if args.json:
            write_json(board.raw())
        else:
            for _, line in top_frame.lines(board, blocks=can_draw()):
                print(line)
        return 0
    return live(api, args.every)


def live(api, every):
    board = Board(api)
    board.look()  # what is wrong at first, a wrong key above all, is said in the usual way
    board.look_back()
    with screen.Screen() as terminal:
        board.begin(every, terminal.ring)
        while True:
            terminal.draw(top_frame.lines(board, terminal.size(), can_draw()))
            drawn = time.monotonic()
            keys = terminal.keys(1)
            # However much happens, a picture is for eyes; and a key is heard while we wait.
            while keys == b"" and (left := drawn + REDRAW - time.monotonic()) > 0:
                keys = terminal.keys(left)
            if keys is None or b"q" in keys:
                return 0
            if INTERRUPT in keys:
                raise KeyboardInterrupt
            if b" " in keys:
                board.look_now()


def can_draw():
    try:
        return bool(top_frame.BLOCKS.encode(sys.stdout.encoding or "ascii"))
    except UnicodeEncodeError:
        return False
