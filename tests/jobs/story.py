"""story.py FOLDER --since TIME --project A-7 --release R-31 --grants G-12 G-13: judges the exports of tests/jobs/story."""
import argparse
import hashlib
import json
from pathlib import Path

from prov.model import ProvActivity, ProvAgent, ProvDocument, ProvEntity, ProvRelation
from rocrate.rocrate import ROCrate

parser = argparse.ArgumentParser()
parser.add_argument("folder", type=Path)
parser.add_argument("--since")
parser.add_argument("--project")
parser.add_argument("--release")
parser.add_argument("--grants", nargs=2)
options = parser.parse_args()
LINES = (options.folder / "copy.jsonl").read_bytes().splitlines(keepends=True)
RECORDS = {one["seq"]: one for one in map(json.loads, LINES)}
DIGESTS = {json.loads(line)["seq"]: hashlib.sha256(line).hexdigest() for line in LINES}
SITE = "urn:aloft:site:scratch:"


def local(name) -> str:
    assert name.namespace.uri == SITE, name
    return name.localpart


def judge_prov(name: str, expected: set[int]) -> ProvDocument:
    """It is PROV-JSON to the library that defines it, has every record of `expected` and no other, and names nothing unsaid."""
    text = (options.folder / name).read_text()
    document = ProvDocument.deserialize(content=text, format="json")
    declared = {kind: {local(one.identifier) for one in document.get_records(kind)} for kind in (ProvEntity, ProvActivity, ProvAgent)}
    told = {}
    for one in document.get_records(ProvActivity):
        if not local(one.identifier).startswith("record/"):
            continue
        facts = {str(key): value for key, value in one.attributes}
        told[facts["aloft:seq"]] = (facts["aloft:kind"], facts["aloft:subject"], facts["aloft:sha256"])
        assert local(one.identifier) == f"record/{facts['aloft:seq']}"
    assert told == {seq: (RECORDS[seq]["kind"], RECORDS[seq]["subject"], DIGESTS[seq]) for seq in expected}, (name, set(told) ^ expected)
    everything, responsible = set().union(*declared.values()), {}
    for relation in document.get_records(ProvRelation):
        for key, value in relation.formal_attributes:
            if value is not None and str(key) != "prov:time":
                assert local(value) in everything, f"{name}: {relation} speaks of what is not there"
        if "Association" in type(relation).__name__:
            responsible[local(relation.args[0])] = local(relation.args[1])
    for seq in expected:
        actor = RECORDS[seq]["actor"]
        agent = actor if actor == "aloftd" or actor.startswith("node:") else f"account/{actor}"
        assert responsible[f"record/{seq}"] == agent, (name, seq, agent)
    judge_constraints(document)
    for private in ("a reason", "A question", "aggregates only", "contract ended", "metrics of", "reviewer-legal\\\"", "[accounts]"):
        assert private not in text, f"{name}: {private}"
    return document


def judge_constraints(document: ProvDocument) -> None:
    """PROV-CONSTRAINTS (W3C Recommendation, 30 April 2013): unique-generation, unique-startTime, unique-endTime."""
    times = {}
    for one in document.get_records():
        facts = {str(key): value for key, value in one.formal_attributes}
        if isinstance(one, ProvActivity):
            times.setdefault(("Start", one.identifier), set()).add(facts.get("prov:startTime"))
            times.setdefault(("End", one.identifier), set()).add(facts.get("prov:endTime"))
        elif type(one).__name__ in ("ProvStart", "ProvEnd"):
            times.setdefault((type(one).__name__[4:], facts["prov:activity"]), set()).add(facts.get("prov:time"))
        elif type(one).__name__ == "ProvGeneration":
            event = ("Generation", facts["prov:entity"], facts["prov:activity"])
            assert event not in times, f"generated twice: {event}"
            times[event] = {facts.get("prov:time")}
    for event, known in times.items():
        assert len(known - {None}) <= 1, f"PROV-CONSTRAINTS: {event} at {known}"


def edges(document: ProvDocument, kind: str) -> set[tuple[str, str]]:
    return {(local(one.args[0]), local(one.args[1])) for one in document.get_records(ProvRelation)
            if type(one).__name__ == f"Prov{kind}" and one.args[1] is not None}


def seqs(kind: str, **more) -> list[str]:
    return [f"record/{seq}" for seq, one in RECORDS.items() if one["kind"] == kind and all(one[key] == value for key, value in more.items())]


def judge_statements(document: ProvDocument) -> None:
    alice, bob = options.grants
    used, made, derived = (edges(document, kind) for kind in ("Usage", "Generation", "Derivation"))
    project = options.project
    assert (project, seqs("application.submitted", subject=project)[0]) in made
    for kind, count in (("application.group-approved", 3), ("application.approved", 1)):
        decisions = seqs(kind, subject=project)
        assert len(decisions) == count and all((one, project) in used for one in decisions)
    assert (alice, project) in derived and (alice, seqs("grant.issued", subject=alice)[0]) in made
    assert (bob, seqs("grant.revoked", subject=bob)[0]) in edges(document, "Invalidation")
    jobs = {local(one.identifier) for one in document.get_records(ProvActivity)} - {f"record/{seq}" for seq in RECORDS}
    assert jobs == {f"{alice}/job:17", f"{bob}/job:17"}, jobs  # two people's jobs of one number
    requested = {one["subject"]: one["details"]["grant"] for one in RECORDS.values() if one["kind"] == "job.requested"}
    submitted = {f"record/{seq}": requested[one["details"]["request"]] for seq, one in RECORDS.items() if one["kind"] == "job.submitted"}
    nodes = {kind: {f"record/{seq}": one["details"]["details"]["grant"] for seq, one in RECORDS.items() if one["kind"] == f"node.job-{kind}"} for kind in ("started", "ended")}
    assert len(submitted) == 2 and len(nodes["started"]) == len(nodes["ended"]) == 5
    for job in jobs:
        grant = job.partition("/")[0]
        assert {(job, grant), (job, "digits@1")} <= used and (f"{job}/output", job) in made
        assert {one for one in submitted if submitted[one] == grant} == {by for what, by in edges(document, "Communication") if what == job}
        for kind, name in (("started", "Start"), ("ended", "End")):
            told = {local(value) for one in document.get_records(ProvRelation) if type(one).__name__ == f"Prov{name}" and local(one.args[0]) == job
                    for key, value in one.formal_attributes if str(key) in ("prov:starter", "prov:ender") and value}
            assert told == {one for one in nodes[kind] if nodes[kind][one] == grant}, (job, kind, told)
    files = {local(one.identifier).partition("/")[0] for one in document.get_records(ProvEntity) if "aloft:ReleaseFile" in map(str, one.get_asserted_types())}
    refused = {one["subject"] for one in RECORDS.values() if one["kind"] == "release.refused"}
    assert refused and options.release in files and not refused & files, (files, refused)
    release = options.release
    assert (f"{release}/package", release) in derived and (release, "digits@1") in edges(document, "Influence")
    assert any(whole == release for whole, _ in edges(document, "Membership"))
    roles_of = {local(one.args[0]): str(value) for one in document.get_records(ProvRelation) for key, value in one.attributes if str(key) == "prov:role"}
    withdrawn = {RECORDS[int(name.split("/")[1])]["actor"]: roles_of[name] for name in seqs("release.withdrawn")}
    assert withdrawn == {"e-bob": "aloft:researcher", "admin": "aloft:admin"}, withdrawn
    roles = {str(value) for one in document.get_records(ProvRelation) for key, value in one.attributes if str(key) == "prov:role"}
    assert {"aloft:researcher", "aloft:reviewer-legal", "aloft:admin", "aloft:release-reviewer", "aloft:node", "aloft:steward"} <= roles, roles


def belongs(project: str, release: str | None) -> set[int]:
    """Found here by repeating until nothing more is found, not in order."""
    things, grants = {project}, set()
    for _ in range(len(RECORDS)):
        before = len(things), len(grants)
        for one in RECORDS.values():
            details = one["details"].get("details", one["details"])
            if one["kind"] == "grant.issued" and details["application"] in things:
                grants.add(one["subject"])
            if one["kind"] in ("job.requested", "release.requested") and details["grant"] in grants:
                things.add(one["subject"])
        if before == (len(things), len(grants)):
            break
    if release:
        things = {one for one in things if not one.startswith("R-")} | {release}
    data = {name for one in RECORDS.values() if one["kind"] == "application.submitted" and one["subject"] == project for name in one["details"]["datasets"]}
    return {seq for seq, one in RECORDS.items()
            if one["subject"] in things | grants or (one["kind"] == "dataset.registered" and one["subject"] in data)
            or (one["kind"] == "job.submitted" and one["details"]["request"] in things)
            or (one["kind"].startswith("node.job-") and one["details"]["details"].get("grant") in grants)}


def judge_crate(name: str, expected: set[int], absent: list[str]) -> None:
    folder = options.folder / name
    crate = ROCrate(str(folder))
    assert crate.root_dataset["datePublished"] and crate.root_dataset["license"].id == "#terms"
    parts = {part.id: part for part in crate.root_dataset["hasPart"]}
    assert set(parts) == {"records.jsonl", "provenance.json"}
    for part in parts.values():
        content = (folder / part.id).read_bytes()
        assert part["identifier"]["value"] == hashlib.sha256(content).hexdigest() and part["contentSize"] == str(len(content))
    assert (folder / "records.jsonl").read_bytes() == b"".join(line for line in LINES if json.loads(line)["seq"] in expected)
    told = {one.id: one for one in crate.get_entities() if one.id.startswith("#record/") and "Action" in str(one.type)}
    assert set(told) == {f"#record/{seq}" for seq in expected}, (name, set(told) ^ {f"#record/{seq}" for seq in expected})
    for seq in expected:
        action = told[f"#record/{seq}"]
        assert action["name"] == RECORDS[seq]["kind"] and action["endTime"] == RECORDS[seq]["time"]
        assert action["agent"]["name"] == RECORDS[seq]["actor"] and action["identifier"]["value"] == DIGESTS[seq]
        decision = RECORDS[seq]["details"].get("decision")
        assert (action.type == "AcceptAction") == (decision == "approve"), action.type
    graph = json.loads((folder / "ro-crate-metadata.json").read_text())["@graph"]
    ids = {one["@id"] for one in graph} | {"https://w3id.org/ro/crate/1.1"}
    linked = {value["@id"] for one in graph for values in one.values() for value in (values if isinstance(values, list) else [values]) if isinstance(value, dict)}
    assert linked <= ids, f"{name}: links to nothing: {linked - ids}"
    text = (folder / "ro-crate-metadata.json").read_text() + (folder / "provenance.json").read_text() + (folder / "records.jsonl").read_text()
    for word in absent:
        assert f'"{word}"' not in text and f"/{word}\"" not in text, f"{name} tells of {word}"
    judge_prov(f"{name}/provenance.json", expected)


every = set(RECORDS)
judge_statements(judge_prov("all.json", every))
after = {seq for seq, one in RECORDS.items() if one["time"] >= options.since}
assert after and after != every
judge_prov("since.json", after)
judge_prov("until.json", every - after)
bobs = next(one["details"]["application"] for one in RECORDS.values() if one["subject"] == options.grants[1] and one["kind"] == "grant.issued")
judge_crate("project", belongs(options.project, None), ["e-bob", bobs, options.grants[1], options.release])
judge_crate("release", belongs(bobs, options.release), ["e-alice", options.project, options.grants[0]])
print(f"{len(every)} records told as PROV, {len(after)} of them in a part; two crates")
