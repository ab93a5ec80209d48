"""What the processes used, descriptors and memory; and what doctor says of the data."""
import json
import subprocess

WARM = 20.0          # seconds after which a process has made itself at home
JUDGED_FROM = 600.0  # seconds of life, of all processes of a kind together, after which their memory is judged
SLOPE = 60.0         # MB/h of a life; who is restarted all the time never gets old, but all lives together tell
DESCRIPTORS = 16           # more than a process had once it was warm


def descriptor_growth(instances):
    wrong = []
    for i in instances:
        if len(i.samples) >= 5 and not i.killed_at:
            first, last = i.samples[1][2], i.samples[-1][2]
            if last > first + DESCRIPTORS:
                wrong.append(f"{i.name} had {first} descriptors, and {last} when it was idle again")
    return wrong


def slope(lives):
    """MB per hour within a life, by least squares over all lives, each [(seconds, KiB)] from its own mean."""
    along = spread = 0.0
    for points in lives:
        mean_x, mean_y = (sum(p[i] for p in points) / len(points) for i in (0, 1))
        along += sum((x - mean_x) * (y - mean_y) for x, y in points)
        spread += sum((x - mean_x) ** 2 for x, _ in points)
    return along / spread * 3600 / 1024 if spread else 0.0


def memory(slots):
    """What grew, and a line for each kind of process; nothing is concluded from too little."""
    wrong, notes = [], []
    for kind in sorted({slot.kind for slot in slots}):
        lives = [[(at, resident) for at, resident, _ in i.samples if at >= i.samples[0][0] + WARM]
                 for slot in slots if slot.kind == kind for i in slot.instances if i.samples]
        lives = [points for points in lives if len(points) >= 5]
        lived = sum(points[-1][0] - points[0][0] for points in lives)
        note = f"{kind}: {slope(lives):+.1f} MB/h over {len(lives)} lives of {lived:.0f} s in all"
        judged = lived >= JUDGED_FROM
        notes.append(note if judged else note + ", too little to be judged")
        if judged and slope(lives) > SLOPE:
            wrong.append(note)
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
