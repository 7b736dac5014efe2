#!/usr/bin/env python3
"""Writes slurm/promise/TABLES.md from slurm/promise/controls.toml, the tests and the attempts of tests/egress.

    generate.py --build build/release             writes the tables
    generate.py --build build/release --check     writes nothing; says what is wrong, one line each, and ends with 1
    generate.py --build build/release --results   the same, and that what proves a control has run and passed in this build

Wrong is: a control that names a file, a test, a sentence of a test or an attempt that does not exist; a test labelled cluster, egress or
slurm, or an attempt, that no control names; tables that are not the ones that would be written. With --results also: a test that did not
run or did not pass (build/release/junit.xml), a sentence that it did not say when it ran, an attempt of which build/release/egress.json
says that it got out, or nothing. Python's standard library only.
"""
import argparse
import difflib
import fnmatch
import json
import pathlib
import re
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEAD = """# What stops each way out, and which tests prove it

Written by tests/promise/generate.py from [controls.toml](controls.toml), the tests and the attempts. The promise itself: [PROMISE.md](PROMISE.md).
"""
MUST_BE_NAMED = {"cluster", "egress", "slurm"}
WAY = "way"
STANDARDS = {  # table of controls.toml: title in the tables, form of a control's number
    "SATRE": ("SATRE 2.0.1", r"\d\.\d+\.\d\d"),
    "NIST-800-53": ("NIST SP 800-53, revision 5", r"[A-Z]{2}-\d+(\(\d+\))?"),
    "NIST-800-223": ("NIST SP 800-223", r"\d(\.\d)+"),
}
TEXTS, LISTS = ("what", "how", "not_covered"), ("files", "tests", "attempts")


def load_entries(text):
    """Every table of controls.toml as a dict with all keys, `group` and `number` among them; and what is malformed."""
    entries, faults = [], []
    for group, members in tomllib.loads(text).items():
        if group != WAY and group not in STANDARDS:
            faults.append(f"{group} is neither a standard nor {WAY}")
            continue
        for number, given in members.items():
            entry = {"group": group, "number": number, **dict.fromkeys(TEXTS, ""), **dict.fromkeys(LISTS, []), **given}
            entries.append(entry)
            faults += [f"{label(entry)}: {what}" for what in malformed(entry)]
    return entries, faults


def malformed(entry):
    group, number = entry["group"], entry["number"]
    yield from (f"unknown key {key}" for key in entry.keys() - {"group", "number", *TEXTS, *LISTS})
    yield from (f"{key} name one thing twice" for key in LISTS if len(set(entry[key])) < len(entry[key]))
    if group in STANDARDS and not re.fullmatch(STANDARDS[group][1], number):
        yield "not a number of this standard"
    if not entry["what"]:
        yield "does not say what"
    if not entry["how"] and not entry["not_covered"]:
        yield "says neither how nor not_covered"
    if entry["how"] and not entry["tests"] and not entry["attempts"] and not entry["not_covered"]:
        yield "is not proven by any test or attempt"


def label(entry):
    return f"{entry['group']} {entry['number']}"


def load_tests(build):
    """Name of each CTest entry: its labels and the file with its text (None if it is not to be found)."""
    listed = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], capture_output=True, text=True, check=True)
    sources = {re.sub(r"[/.]", "_", str(path.relative_to(ROOT / "tests").with_suffix(""))): path for path in (ROOT / "tests").rglob("*_test.cpp")}
    tests = {}
    for entry in json.loads(listed.stdout)["tests"]:
        properties = {one["name"]: one["value"] for one in entry.get("properties", [])}
        scripts = [path for path in map(pathlib.Path, entry.get("command", [])) if path.is_relative_to(ROOT / "tests") and path.is_file()]
        source = sources.get(re.sub(r"_np\d+$", "", entry["name"])) or next(iter(scripts), None)
        tests[entry["name"]] = {"labels": set(properties.get("LABELS", [])), "source": source}
    return tests


def load_attempts():
    """The attempts that tests/egress/run makes: its parts register them."""
    sys.dont_write_bytecode = True
    sys.path[:0] = [str(ROOT / "tests/egress"), str(ROOT / "tests/egress/attempts")]
    import battery  # noqa: F401
    import common
    return list(common.ATTEMPTS.values())


def matching(entry, attempts):
    return [one for one in attempts if any(fnmatch.fnmatchcase(one.name, pattern) for pattern in entry["attempts"])]


def words_of(source):
    """A test's text, with the string literals joined that a formatter has broken into two lines."""
    return re.sub(r'"\s*\n\s*"', "", source.read_text())


def says(source, sentence):
    """A case of Catch by its whole name, which is what the run prints; a line of a script by a part of it."""
    if source.suffix == ".cpp":
        sentence = '"' + sentence.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return sentence in words_of(source)


def missing_names(entry, tests, attempts):
    """What the entry names and is not there."""
    yield from (f"no file {path}" for path in entry["files"] if not (ROOT / path).exists())
    for reference in entry["tests"]:
        name, _, sentence = reference.partition(": ")
        if name not in tests:
            yield f"no test {name}"
        elif sentence and not (tests[name]["source"] and says(tests[name]["source"], sentence)):
            yield f"test {name} does not say: {sentence}"
    names = [one.name for one in attempts]
    yield from (f"no attempt {pattern}" for pattern in entry["attempts"] if not fnmatch.filter(names, pattern))


def unnamed(controls, tests, attempts):
    """Tests and attempts that stand apart from the controls. A control that asks for all attempts (*) says nothing about one."""
    named = {reference.partition(": ")[0] for control in controls for reference in control["tests"]}
    yield from (f"test {name} is named by no control" for name, test in tests.items() if test["labels"] & MUST_BE_NAMED and name not in named)
    patterns = [pattern for control in controls for pattern in control["attempts"] if pattern != "*"]
    yield from (f"attempt {one.name} is named by no control" for one in attempts if not any(fnmatch.fnmatchcase(one.name, pattern) for pattern in patterns))


def row(*cells):
    return "| " + " | ".join(" ".join(text.split()).replace("|", "\\|") for text in cells) + " |"


def proof(entry, attempts):
    """One test once, with the sentences that matter; attempts as the patterns, and how many of them prove something."""
    sentences = {}
    for reference in entry["tests"]:
        name, _, sentence = reference.partition(": ")
        sentences.setdefault(name, []).extend([sentence] if sentence else [])
    parts = [f"`{name}`" + (f" ({'; '.join(said)})" if said else "") for name, said in sentences.items()]
    matched = matching(entry, attempts)
    if matched:
        stopped = sum(not one.allowed for one in matched)
        open_too = f" and {len(matched) - stopped} not promised" if stopped < len(matched) else ""
        parts.append(f"{stopped} attempt{'s' * (stopped != 1)}{open_too}: " + ", ".join(f"`{pattern}`" for pattern in entry["attempts"]))
    return "; ".join(parts) or "-"


def mechanism(entry):
    files = ", ".join(f"`{path}`" for path in entry["files"])
    how = entry["how"] + (f" ({files})" if files else "")
    return ". ".join(part for part in (how, f"Not covered: {entry['not_covered']}" if entry["not_covered"] else "") if part)


def attempt_tables(attempts):
    """One table for each of tests/egress's files, under the words with which the file begins: what stops which attempts."""
    for part in dict.fromkeys(one.function.__module__ for one in attempts):
        members = [one for one in attempts if one.function.__module__ == part]
        yield from ("", f"**{sys.modules[part].__doc__.splitlines()[0].rstrip('.')}**", "", row("what stops it", "attempts"), "|---|---|")
        for layer in dict.fromkeys(one.layer for one in members):
            yield row(layer, ", ".join(f"`{one.name}`" for one in members if one.layer == layer))


def tables(entries, attempts):
    yield from ("", "## Ways out, what stops them, and the attempts that prove it", "",
                f"{len(attempts)} attempts, each made inside the fence and, as the control, on the same cluster without it; "
                f"{sum(bool(one.allowed) for one in attempts)} of them try what is not promised.",
                "`tests/egress/run --list` says how each is made; `build/release/egress.json` what came of it.")
    yield from attempt_tables(attempts)
    yield from ("", "**May be seen outside, and is not promised**", "", row("attempt", "how", "why it may be seen"), "|---|---|---|")
    yield from (row(f"`{one.name}`", one.how, one.allowed) for one in attempts if one.allowed)
    yield from ("", "**When a part is missing, and when time is up**", "", row("what happens", "what stops it", "proven by"), "|---|---|---|")
    yield from (row(one["what"], one["how"], proof(one, attempts)) for one in entries if one["group"] == WAY)
    yield from ("", "## Controls", "",
                "What a standard asks is said in our words; its own stand under the number. A line without a proof is somebody else's work, and says whose.")
    for group, (title, _) in STANDARDS.items():
        yield from ("", f"### {title}", "", row("", "asks", "done by", "proven by"), "|---|---|---|---|")
        yield from (row(one["number"], one["what"], mechanism(one), proof(one, attempts)) for one in entries if one["group"] == group)
    yield from ("", "")


def unproven(entry, attempts, results, outcomes):
    """What of the entry's proof this build's run does not show. `results`: by test, whether it passed and what it printed; `outcomes`: by attempt."""
    for reference in entry["tests"]:
        name, _, sentence = reference.partition(": ")
        passed, said = results.get(name, (False, ""))
        if not passed:
            yield f"test {name} did not run, or did not pass"
        elif sentence and not any(sentence in line and line.lstrip().startswith(("ok ", "PASS")) or line.endswith(" s: " + sentence) for line in said):
            yield f"test {name} did not say in this run: {sentence}"
    for one in matching(entry, attempts):
        row = outcomes.get(one.name)
        if row is None or not one.allowed and row["bytes_outside"]:
            yield f"attempt {one.name} was not made, or got out"


def load_results(build):
    """Of the run of this build: by test (whether it passed, the lines it printed), by attempt its row. A test that skipped a part proves nothing."""
    results = {}
    for case in ElementTree.parse(build / "junit.xml").getroot().iter("testcase"):
        said = (case.findtext("system-out") or "").splitlines()
        passed = case.get("status") == "run" and not any("skipped:" in line for line in said)
        results[case.get("name")] = (passed, said)
    egress = build / "egress.json"
    return results, {row["name"]: row for row in json.loads(egress.read_text())["attempts"]} if egress.exists() else {}


def judge(controls, tests, attempts, results=None):
    """What is wrong with the text of controls.toml and with the names in it; the tables as they should be, if nothing is."""
    entries, faults = load_entries(controls)
    faults += [f"{label(entry)}: {what}" for entry in entries for what in missing_names(entry, tests, attempts)]
    faults += unnamed([entry for entry in entries if entry["group"] != WAY], tests, attempts)
    if results:
        faults += [f"{label(entry)}: {what}" for entry in entries for what in unproven(entry, attempts, *results)]
    return (faults, None) if faults else ([], HEAD + "\n".join(tables(entries, attempts)))


def differences(old, new):
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), "TABLES.md", "what would be written", lineterm="", n=0)
    return [line[:200] for line in lines] + ["write it again: tests/promise/generate.py --build BUILD"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True, help="a configured build folder: CTest lists its tests")
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 if something is wrong")
    parser.add_argument("--results", action="store_true", help="--check, and that the proofs ran and passed in this build")
    parser.add_argument("--controls", type=pathlib.Path, default=ROOT / "slurm/promise/controls.toml")
    parser.add_argument("--tables", type=pathlib.Path, default=ROOT / "slurm/promise/TABLES.md")
    options = parser.parse_args()
    tests, attempts = load_tests(options.build), load_attempts()
    old = options.tables.read_text() if options.tables.exists() else ""
    faults, new = judge(options.controls.read_text(), tests, attempts, load_results(options.build) if options.results else None)
    if not faults and not options.check and not options.results:
        options.tables.write_text(new)
    elif not faults and new != old:
        faults = differences(old, new)
    print("\n".join(faults) or f"{len(tests)} tests, {len(attempts)} attempts: what is named is there, and the tables are theirs")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
