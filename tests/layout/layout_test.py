#!/usr/bin/env python3
"""layout_test.py SOURCE: no file of ours is longer than 450 lines, and an #include goes up only.

In core, staging, jobs and slurm the folders stand in CMakeLists.txt in their order: each uses those above it. A part uses
itself and core/. Broken rules, in a copy that is made for it, are found as well.
"""
import re
import sys
import tempfile
from pathlib import Path

PARTS = ("core", "staging", "trainer", "jobs", "slurm")
ORDERED = ("core", "staging", "jobs", "slurm")
LONGEST = 450
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)


def is_text_of_ours(file: Path) -> bool:
    if file.suffix in (".cpp", ".h", ".c", ".py", ".txt", ".service"):
        return True
    return not file.suffix and file.read_bytes()[:2] == b"#!"


def faults(source: Path) -> list[str]:
    found = []
    for part in (*PARTS, "tests"):
        for file in sorted((source / part).rglob("*")):
            if not file.is_file() or "__pycache__" in file.parts or not is_text_of_ours(file):
                continue
            name, text = file.relative_to(source), file.read_text(errors="replace")
            if text.count("\n") > LONGEST:
                found.append(f"{name} has {text.count(chr(10))} lines")
            if part == "tests":
                continue
            order = re.findall(r"^ *add_subdirectory\((\w+)\)", (source / part / "CMakeLists.txt").read_text(), re.MULTILINE)
            for include in INCLUDE.findall(text):
                other, *rest = include.split("/")
                if other not in PARTS or len(rest) < 2:
                    continue
                if other not in (part, "core"):
                    found.append(f"{name} includes {include}: parts meet in core only")
                elif other == part and part in ORDERED and len(name.parts) > 2 and rest[0] != name.parts[1]:
                    if rest[0] not in order or name.parts[1] not in order:
                        found.append(f"{name} includes {include}: {part}/CMakeLists.txt has no place for one of the two folders")
                    elif order.index(rest[0]) > order.index(name.parts[1]):
                        found.append(f"{name} includes {include}: an arrow downwards")
    return found


def test_that_faults_are_found():
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in (*PARTS, "tests"):
            (copy / part / "one").mkdir(parents=True)
            (copy / part / "CMakeLists.txt").write_text("add_subdirectory(one)\nadd_subdirectory(two)\n")
        assert faults(copy) == []
        planted = {"jobs/one/up.h": '#include "jobs/two/a.h"\n', "slurm/one/side.cpp": '#include "jobs/one/a.h"\n',
                   "core/one/stray.h": '#include "core/three/a.h"\n', "tests/long": "#!/bin/sh\n" + ":\n" * LONGEST}
        good = {"jobs/one/same.h": '#include "jobs/one/a.h"\n', "slurm/one/low.cpp": '#include "core/one/a.h"\n#include <jobs/one/a.h>\n',
                "tests/table": "x\n" * 1000}
        for name, text in {**planted, **good}.items():
            (copy / name).write_text(text)
        assert sorted(one.split(" ")[0] for one in faults(copy)) == sorted(planted), faults(copy)


test_that_faults_are_found()
wrong = faults(Path(sys.argv[1]))
print("\n".join(wrong))
sys.exit(1 if wrong else 0)
