#!/usr/bin/env python3
"""The check of slurm/PROMISE.md fails when it should, and says where: generate_test.py BUILD

Each fault is put into copies of controls.toml and PROMISE.md; the copies without a fault pass.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SLURM = HERE.parents[1] / "slurm"


def check(build, controls, promise):
    with tempfile.TemporaryDirectory() as folder:
        copies = {name: pathlib.Path(folder, name) for name in ("controls.toml", "PROMISE.md")}
        copies["controls.toml"].write_text(controls)
        copies["PROMISE.md"].write_text(promise)
        done = subprocess.run([sys.executable, HERE / "generate.py", "--check", "--build", build, "--controls", copies["controls.toml"],
                               "--promise", copies["PROMISE.md"]], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def replaced(text, old, new):
    assert re.search(old, text), f"no {old} to replace"
    return re.sub(old, new, text)


def main():
    build = sys.argv[1]
    controls, promise = (SLURM / "controls.toml").read_text(), (SLURM / "PROMISE.md").read_text()
    first = re.search(r'tests = \["cluster_faults: ([^"]+)"', controls)[1]
    cases = [  # what is wrong, the two files, the exit code, what must be said
        ("nothing", controls, promise, 0, "what is named is there"),
        ("an unknown test", replaced(controls, r'tests = \["slurm_promise"\]', 'tests = ["slurm_promises"]'), promise, 1, "no test slurm_promises"),
        ("a sentence that the test does not say", controls.replace(first, first + " or so"), promise, 1, "test cluster_faults does not say"),
        ("a test that no control names", replaced(controls, r'"cluster_harness"', '"core_keys_test"'), promise, 1, "test cluster_harness is named by no control"),
        ("an unknown attempt", replaced(controls, r'attempts = \["', 'attempts = ["all-workshops", "'), promise, 1, "no attempt all-workshops"),
        ("attempts that no control names", replaced(controls, r'attempts = .*', 'attempts = ["tcp"]'), promise, 1, "attempt udp is named by no control"),
        ("a file that is not there", replaced(controls, r'"slurm/fence\.bpf\.c"', '"slurm/hedge.bpf.c"'), promise, 1, "no file slurm/hedge.bpf.c"),
        ("a number of no standard", replaced(controls, r'\[SATRE\."2\.2\.11"\]', '[SATRE."2.2.x"]'), promise, 1, "not a number of this standard"),
        ("a misspelt key", replaced(controls, r'not_covered = ', 'not_coverd = '), promise, 1, "unknown key not_coverd"),
        ("a changed table", controls, replaced(promise, r'\| 2\.2\.11 \|', '| 2.2.12 |'), 1, "write it again"),
        ("a table that lags behind", replaced(controls, r'what = "outbound', 'what = "all outbound'), promise, 1, "write it again"),
        ("no marks", controls, promise.replace("<!-- end of what is written -->", ""), 1, "do not stand there once each"),
    ]
    faults = 0
    for what, some_controls, some_promise, code, say in cases:
        got, said = check(build, some_controls, some_promise)
        good = got == code and say in said
        faults += not good
        print(("ok    " if good else "FAULT ") + what + ("" if good else f": exit {got}\n{said}"))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
