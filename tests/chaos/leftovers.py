"""What the processes used: descriptors and memory of those that lived on; and what doctor says of the data."""
import json
import subprocess

JUDGED_FROM = 300          # seconds a process must have lived for its memory to be judged
SLOPE, GROWTH = 50.0, 8.0  # MB/h and MB; both must be exceeded
DESCRIPTORS = 16           # more than a process had once it was warm


def descriptor_growth(instances):
    wrong = []
    for i in instances:
        if len(i.samples) >= 5 and not i.killed_at:
            first, last = i.samples[1][2], i.samples[-1][2]
            if last > first + DESCRIPTORS:
                wrong.append(f"{i.name} had {first} descriptors, and {last} when it was idle again")
    return wrong


def slope(points):
    """MB per hour, by least squares over (seconds, KiB)."""
    n = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread * 3600 / 1024 if spread else 0.0


def memory(instances):
    """What grew, and a line for each process that lived long enough to say something."""
    wrong, notes = [], []
    for i in instances:
        if len(i.samples) < 10 or i.samples[-1][0] - i.samples[0][0] < 30:
            continue
        half = [(at, resident) for at, resident, _ in i.samples[len(i.samples) // 2:]]
        rate, grown = slope(half), (half[-1][1] - half[0][1]) / 1024
        lived = i.samples[-1][0] - i.samples[0][0]
        notes.append(f"{i.name}: {half[-1][1] / 1024:.1f} MB resident after {lived:.0f} s, {rate:+.1f} MB/h, "
                     f"{i.samples[-1][2]} descriptors")
        if lived >= JUDGED_FROM and rate > SLOPE and grown > GROWTH:
            wrong.append(notes[-1])
    return wrong, notes


def doctor(cluster):
    argv = [cluster.bin / "reprise-api", "doctor", "--json", *cluster.settings(cluster.redis.port)]
    done = subprocess.run(argv, cwd=cluster.dir, capture_output=True, text=True, timeout=120, check=False)
    try:
        found = json.loads(done.stdout)
        wrong = [f"{f['kind']} {f['subject']}: {f['detail']}" for f in found["findings"]]
    except (ValueError, KeyError, TypeError):
        return [f"doctor ended with {done.returncode}: {(done.stdout + done.stderr)[-300:]}"]
    if done.returncode != 0 or not found["ok"]:
        wrong.append(f"doctor ended with {done.returncode}")
    return wrong
