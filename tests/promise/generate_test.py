#!/usr/bin/env python3
"""The check of slurm/promise/TABLES.md fails when it should, and says where: generate_test.py BUILD

Each fault is put into a copy of controls.toml, of the tables or of a run's results; the copies without a fault pass.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
PROMISE = HERE.parents[1] / "slurm/promise"
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))
import generate  # noqa: E402


def said(controls, written, tests, attempts, results=None):
    faults, new = generate.judge(controls, tests, attempts, results)
    return faults or (generate.differences(written, new) if new != written else [])


def exit_code(build, controls, written):
    """Of the program itself, which CTest calls."""
    with tempfile.TemporaryDirectory() as folder:
        files = [pathlib.Path(folder, name) for name in ("controls.toml", "TABLES.md")]
        files[0].write_text(controls)
        files[1].write_text(written)
        return subprocess.run([sys.executable, HERE / "generate.py", "--check", "--build", build, "--controls", files[0], "--tables", files[1]],
                              stdout=subprocess.DEVNULL).returncode


def replaced(text, old, new):
    assert re.search(old, text), f"no {old} to replace"
    return re.sub(old, new, text)


def results_cases(controls, written, tests, attempts, sentence):
    """A run in which everything passed and said its sentences proves the controls; one in which something did not, does not."""
    references = [reference.partition(": ")[::2] for entry in generate.load_entries(controls)[0] for reference in entry["tests"]]
    run = {name: (True, ["ok    " + said for other, said in references if other == name]) for name, _ in references}
    made = {one.name: {"name": one.name, "bytes_outside": 0} for one in attempts}
    lost = next(one.name for one in attempts if not one.allowed)
    quiet = {**run, "cluster_faults": (True, [line for line in run["cluster_faults"][1] if sentence not in line])}
    cases = [
        ("a test that did not pass", {**run, "cluster_harness": (False, [])}, made, "test cluster_harness did not run, or did not pass"),
        ("a test that did not run", {name: one for name, one in run.items() if name != "cluster_harness"}, made, "test cluster_harness did not run"),
        ("a sentence that the test did not say when it ran", quiet, made, "test cluster_faults did not say in this run"),
        ("an attempt that was not made", run, {name: row for name, row in made.items() if name != lost}, f"attempt {lost} was not made"),
        ("an attempt that got out", run, {**made, lost: {"name": lost, "bytes_outside": 1}}, f"attempt {lost} was not made, or got out"),
    ]
    yield "a run in which all passed: nothing", not said(controls, written, tests, attempts, (run, made))
    for what, some_run, some_made, say in cases:
        yield what, any(say in line for line in said(controls, written, tests, attempts, (some_run, some_made)))


def main():
    build = sys.argv[1]
    controls, written = (PROMISE / "controls.toml").read_text(), (PROMISE / "TABLES.md").read_text()
    first = re.search(r'tests = \["cluster_faults: ([^"]+)"', controls)[1]
    unknown = replaced(controls, r'tests = \["slurm_promise"\]', 'tests = ["slurm_promises"]')
    cases = [  # what is wrong, the two files, what must be said
        ("an unknown test", unknown, written, "no test slurm_promises"),
        ("a sentence that the test does not say", controls.replace(first, first + " or so"), written, "test cluster_faults does not say"),
        ("a test that no control names", replaced(controls, r'"cluster_harness"', '"core_keys_keys_test"'), written, "test cluster_harness is named by no control"),
        ("an unknown attempt", replaced(controls, r'attempts = \["', 'attempts = ["all-workshops", "'), written, "no attempt all-workshops"),
        ("attempts that no control names", replaced(controls, r'attempts = .*', 'attempts = ["tcp"]'), written, "attempt udp is named by no control"),
        ("a file that is not there", replaced(controls, r'"slurm/fence/fence\.bpf\.c"', '"slurm/hedge.bpf.c"'), written, "no file slurm/hedge.bpf.c"),
        ("a number of no standard", replaced(controls, r'\[SATRE\."2\.2\.11"\]', '[SATRE."2.2.x"]'), written, "not a number of this standard"),
        ("a misspelt key", replaced(controls, r'not_covered = ', 'not_coverd = '), written, "unknown key not_coverd"),
        ("a mechanism without a proof", controls + '\n[SATRE."2.9.02"]\nwhat = "x"\nhow = "y"\n', written, "is not proven"),
        ("a changed table", controls, replaced(written, r'\| 2\.2\.11 \|', '| 2.2.12 |'), "write it again"),
        ("a table that lags behind", replaced(controls, r'what = "outbound', 'what = "all outbound'), written, "write it again"),
    ]
    tests, attempts = generate.load_tests(build), generate.load_attempts()
    results = [("the files as they are: nothing", not said(controls, written, tests, attempts))]
    results += [(what, any(say in line for line in said(some_controls, some_tables, tests, attempts))) for what, some_controls, some_tables, say in cases]
    results += results_cases(controls, written, tests, attempts, first)
    results += [("exit code 0 without a fault, 1 with one", (exit_code(build, controls, written), exit_code(build, unknown, written)) == (0, 1))]
    for what, good in results:
        print(("ok    " if good else "FAULT ") + what)
    sys.exit(0 if all(good for _, good in results) else 1)


if __name__ == "__main__":
    main()
