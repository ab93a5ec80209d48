"""Workers, queue, pauses and waves as text for people."""

from .show import table, when


def span(seconds):
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def workers(said):
    yield from worker_table(said["workers"])
    yield ""
    yield totals(said["totals"])


def totals(counts):
    some = [f"{counts[state]} {state}" for state in ("quiet", "draining", "lost") if counts[state]]
    return f"{counts['live']} live{' (' + ', '.join(some) + ')' if some else ''}, " \
           f"{counts['busy']} of {counts['slots']} slots busy"


def worker_table(records):
    return table(
        ("WORKER", "STATE", "BUSY", "SINCE", "LAST BEAT", "VERSION", "RUNS"),
        [(w["id"], _state(w), f"{w.get('busy', '-')}/{w.get('slots', '-')}", when(w.get("startedAt")),
          when(w["lastBeatAt"]), w.get("version", "-"), _in_hand(w.get("runs", []))) for w in records])


def brief_worker_table(records):
    """For a narrow terminal: what a worker is at comes first."""
    return table(("WORKER", "STATE", "BUSY", "BEAT", "RUNS"),
                 [(w["id"], _state(w), f"{w.get('busy', '-')}/{w.get('slots', '-')}", when(w["lastBeatAt"])[-8:],
                   _in_hand(w.get("runs", []), 1)) for w in records])


def _state(worker):
    order = worker.get("order")
    return f"{worker['state']}, told to {order}" if order else worker["state"]


def _in_hand(runs, most=3):
    said = [f"{one['run']} {one.get('step', '')}".rstrip() for one in runs[:most]]
    return ", ".join([*said, f"{len(runs) - most} more"] if len(runs) > most else said) or "-"


def queue(said):
    pace = said["perSecond"]
    yield f"queued      {places(said)}"
    yield f"running     {said['running']}"
    yield f"blocked     {blocked(said)}"
    yield f"oldest      {span(said['oldestQueuedSeconds'])}"
    yield f"per second  {pace['accepted']:.2f} accepted, {pace['started']:.2f} started, {pace['ended']:.2f} ended"
    yield from paused(said["paused"])


def places(said):
    where = [f"{said[name]} {text}" for name, text in (("inStreams", "in line"), ("delayed", "wait for a time"),
                                                      ("held", "kept aside by a pause")) if said[name]]
    return f"{said['queued']}{': ' + ', '.join(where) if where else ''}"


def blocked(said):
    tools = [f"{count} for want of {tool}" for tool, count in sorted(said["blockedTools"].items())]
    return f"{said['blocked']}{': ' + ', '.join(tools) if tools else ''}"


def paused(pauses):
    return [f"paused      {'everything' if one['what'] == 'all' else one['what'] + ' ' + one.get('name', '?')}, "
            f"since {when(one['since'])}{', by ' + one['by'] if one.get('by') else ''}{': ' + one['reason'] if one.get('reason') else ''}"
            for one in pauses]


def explanation(said):
    yield f"{said['run']}  {said['status']}: {said['reason']}"
    yield said["message"]
    if said.get("freedBy"):
        yield said["freedBy"]
    for name in ("since", "until"):
        if said.get(name):
            yield f"{name} {when(said[name])}"


def scale(said):
    given, aside = said["inputs"], said["inputs"]["notCounted"]
    yield f"{said['workers']} workers, {said['slots']} slots: {said['message']}"
    yield ""
    yield from table(("FROM", ""), [
        ("to be started within", f"{given['sloSeconds']:g} s"),
        ("arrivals", f"{given['arrivalPerSecond']:.3g} per second"),
        ("a run takes", f"{given['serviceSeconds']:.3g} s{'' if given['serviceKnown'] else ', assumed: none has ended yet'}"),
        ("waiting, running", f"{given['waiting']}, {given['running']}"),
        ("slots of a worker", given["slotsPerWorker"]),
        ("live workers", given["liveWorkers"]),
        ("not counted", f"{aside['held']} held, {aside['delayed']} delayed, {aside['blocked']} blocked")])


def failures(groups):
    return table(("COUNT", "STEP", "CODE", "LAST", "LAST RUN"),
                 [(g["count"], g["step"] or "-", g["code"], when(g["lastAt"]), g["lastRun"]) for g in groups])


def acts(records):
    return table(("AT", "BY", "ACT", "OBJECT", "CAUSE"),
                 [(when(a["at"]), a["by"], a["act"], a["object"], a.get("cause", "-")) for a in records])


def waves(records):
    return table(("WAVE", "OF", "STATE", "MATCHED", "RETRIED", "REFUSED", "RATE", "STARTED", "BY", "REASON"),
                 [(w["id"], _filter(w), w["state"], w["matched"], w["retried"], w["refused"], f"{w['rate']}/s",
                   when(w["startedAt"]), w["by"], w.get("reason", "-")) for w in records])


def _filter(wave):
    return ", ".join([wave["of"], *[wave[name] for name in ("org", "projectId", "step", "code") if wave.get(name)]])


def progress(wave):
    state = {"canary": f"canary of {wave['canary']}" if wave["canary"] else "beginning",
             "canary_failed": f"{wave['canaryFailed']} of the canary failed"}
    refused = f", {wave['refused']} refused" if wave["refused"] else ""
    matched = f"{wave['matched']}{' or more' if wave.get('more') else ''}"
    because = f" ({wave['endedBecause']})" if "endedBecause" in wave else ""
    return f"{state.get(wave['state'], wave['state'])}{because}: {wave['retried']} of {matched} retried{refused}, " \
           f"at {wave['rate']} per second"
