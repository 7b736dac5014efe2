"""Compares the attempts on the cluster with the fence with those on the cluster without: what arrived, what was opened, what is proven."""
from collections import Counter

from common import ATTEMPTS

WORST = ("out", "broken", "unreached", "stopped")  # of several ranks, the one that got farthest counts
BLOCKED = ("connect", "sendmsg", "socket")


def worst(lines: list[dict]) -> dict:
    return min(lines, key=lambda line: WORST.index(line["result"]), default={"result": "not tried"})


def free_of_fence(one, control: dict) -> tuple[bool, dict, dict]:
    """Whether the attempt gets out without the fence; its line there, and what was seen of it."""
    free, seen = worst(control["lines"].get(one.name, [])), control["seen"].get(one.name, {})
    if one.privilege and one.where == "step":
        free = control["root"].get(one.name, free)
    return free["result"] == "out" if one.opens else bool(seen), free, seen


def unproven(control: dict) -> list[str]:
    return [one.name for one in ATTEMPTS.values() if not one.absent and not free_of_fence(one, control)[0]]


def judge(fenced: dict, control: dict, again: dict | None = None) -> dict:
    """`again`: a second control run. A control shows that an attempt can work at all, so one run in which it does is enough."""
    rows, faults = [], []
    for one in ATTEMPTS.values():
        second = again and not free_of_fence(one, control)[0]
        row = judge_one(one, fenced, again if second else control)
        rows.append(row)
        faults += [f"{one.name}: {text}" for text in row.pop("faults")]
    claims = check_wire(fenced, control) + check_records(fenced)
    faults += [claim["what"] + ": " + claim["found"] for claim in claims if not claim["held"]]
    return {"attempts": rows, "wire": {"fenced": fenced["wire"], "control": control["wire"]}, "claims": claims,
            "bytes_outside": sum(row["bytes_outside"] for row in rows if not row["remark"].startswith("not promised")), "faults": faults}


def judge_one(one, fenced: dict, control: dict) -> dict:
    inside, seen = worst(fenced["lines"].get(one.name, [])), fenced["seen"].get(one.name, {})
    works, free, free_seen = free_of_fence(one, control)
    faults = []
    if seen and not one.allowed:
        faults.append(f"{seen['bytes']} bytes outside: {seen['at']}")
    if one.opens and inside["result"] == "out" and not one.allowed:
        faults.append("it is open inside the fence")
    if inside["result"] in ("unreached", "broken", "not tried"):
        faults.append(f"{inside['result']} inside the fence ({inside.get('stopped_by', '')}), so it proves nothing")
    if not works and not one.absent:
        faults.append(f"without the fence: {free['result']} ({free.get('stopped_by', 'nothing arrived')}), so it proves nothing")
    remark = ("not promised: " + one.allowed if one.allowed else "no control: " + one.absent if one.absent
              else "control as root: " + one.privilege if one.privilege else "")
    result = inside["result"]
    if result == "out" and not one.opens:
        result = "arrived" if seen else "stayed inside"
    return {"name": one.name, "where": one.where, "how": one.how, "layer": one.layer, "fenced": result,
            "stopped_by": inside.get("stopped_by", one.layer), "bytes_outside": seen.get("bytes", 0), "seen_at": seen.get("at", ""),
            "control": "out" if works else "not seen" if free["result"] == "out" else free["result"], "control_bytes": free_seen.get("bytes", 0), "remark": remark,
            "seconds": inside.get("seconds", 0), "faults": faults}


def check_wire(fenced: dict, control: dict) -> list[dict]:
    wire, free = fenced["wire"], control["wire"]
    tokens = {name: size for name, size in wire["tokens"].items() if not ATTEMPTS[name].allowed} if set(wire["tokens"]) <= set(ATTEMPTS) else wire["tokens"]
    return [claim("no frame of the job's nodes carries a mark to anybody else", not tokens, ", ".join(tokens)),
            claim("no frame of the job's nodes goes to an address that is not the job's, the controller's or the login host's", not wire["strangers"],
                  ", ".join(f"{count} × {what}" for what, count in wire["strangers"].items())),
            claim("the capture lost no frame", wire["dropped"] == 0 and wire["frames"] > 100, f"{wire['dropped']} of {wire['frames']}"),
            claim("without the fence the capture holds marks and strangers", len(free["tokens"]) > 20 and bool(free["strangers"]), str(len(free["tokens"])))]


def check_records(fenced: dict) -> list[dict]:
    total: Counter = Counter()
    for record in fenced["records"]:
        total.update(record.get("details", record).get("blocked", {}))
    return [claim("the node's records of the jobs count what was blocked", all(total[kind] for kind in BLOCKED), str(dict(total)))]


def claim(what: str, held: bool, found: str) -> dict:
    return {"what": what, "held": held, "found": found}


def print_table(summary: dict) -> None:
    for fault in summary["faults"]:  # first, where they are seen though somebody shows the beginning only
        print("FAULT " + fault)
    for row in summary["attempts"]:
        print(f"{row['where']:<9} {row['name']:<26} {row['fenced']:<13} {row['bytes_outside']:>3} B  {row['stopped_by'][:70]:<70} "
              f"control: {row['control']:<9} {row['control_bytes']:>5} B{'  (' + row['remark'][:70] + ')' if row['remark'] else ''}")
    for one in summary["claims"]:
        print(f"{'held ' if one['held'] else 'FAULT'}  {one['what']}" + ("" if one["held"] else f": {one['found']}"))
    shown = Counter(row["where"] for row in summary["attempts"])
    proven = sum(row["control"] == "out" for row in summary["attempts"])
    print(f"{len(summary['attempts'])} attempts ({', '.join(f'{count} {where}' for where, count in shown.items())}); {proven} get out without the fence; "
          f"{summary['bytes_outside']} bytes outside with it; {summary['seconds']:.0f} s")
