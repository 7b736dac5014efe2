#!/usr/bin/env python3
"""describe.py PROGRAMS OUT: manual pages and bash completions of our programs, from what their own --help says.

PROGRAMS has a line NAME=FILE for each. OUT/man/NAME-VERB….1 (8 for what root runs): help2man's; OUT/completions/NAME.
"""
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

ENGLISH = {**os.environ, "LC_ALL": "C"}   # whatever the builder reads
ROOTS = {"aloftd", "aloft-sign", "aloft-node", "aloft-mirror", "aloft-relay"}


def help_of(program: str, verbs: tuple[str, ...]) -> str:
    return subprocess.run([program, *verbs, "--help"], check=True, text=True, stdout=subprocess.PIPE, env=ENGLISH).stdout


def section_of(text: str, title: str) -> list[str]:
    """The first words of each entry of a section of --help."""
    inside, entries = False, []
    for line in text.splitlines():
        if line and not line.startswith(" "):
            inside = line.rstrip(":") == title and line.endswith(":")
        elif inside and re.match(r" {2}\S", line):
            entries.append(line.split()[0])
    return entries


def walk(program: str, verbs: tuple[str, ...] = ()):
    text = help_of(program, verbs)
    below = section_of(text, "Subcommands")
    flags = [flag for entry in section_of(text, "Options") for flag in entry.split(",") if flag.startswith("--")]
    yield verbs, text, below, flags
    for verb in below:
        yield from walk(program, (*verbs, verb))


def page(name: str, program: str, verbs: tuple[str, ...], text: str, folder: pathlib.Path):
    section = "8" if name in ROOTS else "1"
    first = text.strip().splitlines()[0].rstrip(".")
    title = "-".join((name, *verbs))
    # help2man calls what it is given with --help and --version; a verb has the program's version.
    caller = folder / f".{title}"
    caller.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exec {shlex.quote(program)} --version\nexec {shlex.quote(program)} {shlex.join(verbs)} "$@"\n')
    caller.chmod(0o755)
    made = folder / f"{title}.{section}"
    subprocess.run(["help2man", "--no-info", "--no-discard-stderr", "--section", section, "--name", first, "--source", "Aloft",
                    "--output", made, caller], check=True, env=ENGLISH)
    caller.unlink()
    text = made.read_text().replace(str(caller), " ".join((name, *verbs))).replace(program, name).replace(caller.name, title)
    text = re.sub(r"(?m)^\.TH \S+", f".TH {title.upper()}", text, count=1)   # help2man names the program, not the verb
    made.write_text(re.sub(r"(?m)^(\.SH NAME\n)\S+ ", rf"\1{title} ", text, count=1))


def completion(name: str, known: dict[tuple[str, ...], list[str]]) -> str:
    function = "_" + name.replace("-", "_")
    cases = "".join(f'    "{" ".join(verbs)}") words="{" ".join(words)}" ;;\n' for verbs, words in sorted(known.items()))
    return f"""# bash completion of {name}
{function}() {{
  local word at="" next words="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${{COMP_WORDS[i]}}
    next="$at${{at:+ }}$word"
    case "|{"|".join(" ".join(v) for v in sorted(known) if v)}|" in *"|$next|"*) at=$next ;; esac
  done
  case "$at" in
{cases}  esac
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
  [ ${{#COMPREPLY[@]}} -gt 0 ] || compopt -o default
}}
complete -F {function} {name}
"""


def main(programs: pathlib.Path, out: pathlib.Path):
    shutil.rmtree(out, ignore_errors=True)
    (out / "man").mkdir(parents=True)
    (out / "completions").mkdir()
    for line in programs.read_text().splitlines():
        name, program = line.split("=", 1)
        known = {}
        for verbs, text, below, flags in walk(program):
            page(name, program, verbs, text, out / "man")
            known[verbs] = [*below, *flags]
        (out / "completions" / name).write_text(completion(name, known))


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:3]))
