#!/usr/bin/env python3
"""The check of slurm/promise/PROMISE.md fails when it should, and says where: generate_test.py BUILD

Each fault is put into copies of controls.toml and PROMISE.md; the copies without a fault pass.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SLURM = HERE.parents[1] / "slurm"
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))
import generate  # noqa: E402


def said(controls, promise, tests, attempts):
    faults, new = generate.judge(controls, promise, tests, attempts)
    return faults or (generate.differences(promise, new) if new != promise else [])


def exit_code(build, controls, promise):
    """Of the program itself, which CTest calls."""
    with tempfile.TemporaryDirectory() as folder:
        files = [pathlib.Path(folder, name) for name in ("controls.toml", "PROMISE.md")]
        files[0].write_text(controls)
        files[1].write_text(promise)
        return subprocess.run([sys.executable, HERE / "generate.py", "--check", "--build", build, "--controls", files[0], "--promise", files[1]],
                              stdout=subprocess.DEVNULL).returncode


def replaced(text, old, new):
    assert re.search(old, text), f"no {old} to replace"
    return re.sub(old, new, text)


def main():
    build = sys.argv[1]
    controls, promise = (SLURM / "controls.toml").read_text(), (SLURM / "PROMISE.md").read_text()
    first = re.search(r'tests = \["cluster_faults: ([^"]+)"', controls)[1]
    unknown = replaced(controls, r'tests = \["slurm_promise"\]', 'tests = ["slurm_promises"]')
    cases = [  # what is wrong, the two files, what must be said
        ("an unknown test", unknown, promise, "no test slurm_promises"),
        ("a sentence that the test does not say", controls.replace(first, first + " or so"), promise, "test cluster_faults does not say"),
        ("a test that no control names", replaced(controls, r'"cluster_harness"', '"core_keys_keys_test"'), promise, "test cluster_harness is named by no control"),
        ("an unknown attempt", replaced(controls, r'attempts = \["', 'attempts = ["all-workshops", "'), promise, "no attempt all-workshops"),
        ("attempts that no control names", replaced(controls, r'attempts = .*', 'attempts = ["tcp"]'), promise, "attempt udp is named by no control"),
        ("a file that is not there", replaced(controls, r'"slurm/fence\.bpf\.c"', '"slurm/hedge.bpf.c"'), promise, "no file slurm/hedge.bpf.c"),
        ("a number of no standard", replaced(controls, r'\[SATRE\."2\.2\.11"\]', '[SATRE."2.2.x"]'), promise, "not a number of this standard"),
        ("a misspelt key", replaced(controls, r'not_covered = ', 'not_coverd = '), promise, "unknown key not_coverd"),
        ("a mechanism without a proof", controls + '\n[SATRE."2.9.02"]\nwhat = "x"\nhow = "y"\n', promise, "is not proven"),
        ("a changed table", controls, replaced(promise, r'\| 2\.2\.11 \|', '| 2.2.12 |'), "write it again"),
        ("a table that lags behind", replaced(controls, r'what = "outbound', 'what = "all outbound'), promise, "write it again"),
        ("no marks", controls, promise.replace(generate.END, ""), "do not stand there once each"),
    ]
    tests, attempts = generate.load_tests(build), generate.load_attempts()
    results = [("the files as they are: nothing", not said(controls, promise, tests, attempts))]
    results += [(what, any(say in line for line in said(some_controls, some_promise, tests, attempts))) for what, some_controls, some_promise, say in cases]
    results += [("exit code 0 without a fault, 1 with one", (exit_code(build, controls, promise), exit_code(build, unknown, promise)) == (0, 1))]
    for what, good in results:
        print(("ok    " if good else "FAULT ") + what)
    sys.exit(0 if all(good for _, good in results) else 1)


if __name__ == "__main__":
    main()
