"""What the runs do: documents that carry a plan, and the steps that follow it.

A plan is two words, for the steps `build` and `bake`: how long they take, and what may go wrong.
"""
import json

from pipelines import VALIDATE, VERIFY, command, pipelines

# $1 the document, $2 the step. A plan's words are kind:seconds[:percent], the latter how often the kind strikes.
STEP_SCRIPT = r"""
plan=$(grep -o '"x-plan" *: *"[^"]*"' "$1" | head -n 1)
plan=${plan%\"}
set -- ${plan##*\"}  "$2"
word=$1
[ "$3" = bake ] && word=$2
kind=${word%%:*}; rest=${word#*:}; seconds=${rest%%:*}; percent=${rest#*:}
dice=$(($(od -An -N2 -tu2 /dev/urandom) % 100))
case $kind in
    noisy) head -c 300000 /dev/urandom | od -x ;;
    breed) setsid sleep 600 & sleep 600 & ;;
    again) [ "$dice" -lt "$percent" ] && { sleep "$seconds"; exit 75; } ;;
    crash) [ "$dice" -lt "$percent" ] && { sleep "$seconds"; kill -SEGV $$; } ;;
    hang) [ "$dice" -lt "$percent" ] && { setsid sleep 600; } ;;
    broken) sleep "$seconds"; echo "this document cannot be built" >&2; exit 1 ;;
esac
sleep "$seconds"
head -c 1500 /dev/urandom | od -x >made.txt
"""


def step(name, seconds):
    return command(name, "/bin/sh", "$SCRIPT", "{document}", name, attempts=3, timeoutSeconds=seconds,
                   artifacts=[{"key": f"{name}.txt", "path": "made.txt"}])


PIPELINES = pipelines(VERIFY, VALIDATE, step("build", 3), step("bake", 60))

SHARES = {"plain": 60, "noisy": 5, "breed": 8, "again": 10, "crash": 8, "hang": 3, "broken": 3}


def plan_for(dice):
    build = f"{dice.choices(list(SHARES), SHARES.values())[0]}:{dice.uniform(0.05, 0.6):.2f}:40"
    seconds = dice.uniform(8, 20) if dice.random() < 0.05 else dice.uniform(0.05, 1.0)
    return f"{build} plain:{seconds:.2f}"


def document(plan, number):
    return json.dumps({"openapi": "3.0.3", "x-plan": plan, "paths": {},
                       "info": {"title": f"Document {number}", "version": "1"}})
