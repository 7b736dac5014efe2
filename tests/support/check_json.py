#!/usr/bin/env python3
"""check_json.py PROGRAM FOLDER [BINARY]: judges what PROGRAM answered to --json by configs/schemas/PROGRAM.schema.json. A program without verbs has the
schema "answer".

FOLDER has a file for each call, with its exit code and its arguments, a line each; beside it, as FILE.out, what stood on stdout.
Of a failure that is one object: the answer of the verb, or the failure with the exit code that the program had. With BINARY every
verb that takes --json, as its --help has them, must have a schema and a call in FOLDER.
"""
import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema

SCHEMAS = Path(__file__).resolve().parents[2] / "configs" / "schemas"
LINES = ("audit-show", "quarantine-list")  # a JSON object a line


def deepest(error):
    """Of a oneOf that none fits: where the one that goes furthest stops."""
    while error.context:
        error = max(error.context, key=lambda one: len(one.absolute_path))
    return error


class Schemas:
    def __init__(self, program: str):
        self.schema = json.loads((SCHEMAS / f"{program}.schema.json").read_text())
        jsonschema.Draft202012Validator.check_schema(self.schema)
        self.names = self.schema["$defs"]

    def errors(self, name: str, answer) -> list[str]:
        validator = jsonschema.Draft202012Validator({**self.schema, "$ref": f"#/$defs/{name}"})
        return [f"{name}: {'/'.join(map(str, one.absolute_path))}: {one.message[:300]}" for one in map(deepest, validator.iter_errors(answer))]

    def verb_of(self, arguments: list[str]) -> str | None:
        """The longest beginning of the arguments, options of the program itself aside, that names a schema."""
        while arguments[:1] in (["--site"], ["--slurm-conf"]):
            arguments = arguments[2:]
        for count in (3, 2, 1):
            if "-".join(arguments[:count]) in self.names:
                return "-".join(arguments[:count])
        return "answer" if "answer" in self.names else None

    def faults(self, code: int, arguments: list[str], text: str) -> list[str]:
        verb = self.verb_of(arguments)
        if code and not text.strip():
            return ["a failure, and nothing on stdout"]
        try:
            answers = [json.loads(one) for one in (text.splitlines() if verb in LINES else [text])]
        except ValueError:
            return ["stdout is not one JSON object"]
        found = []
        for answer in answers:
            if code and isinstance(answer, dict) and "error" in answer:
                found += self.errors("failure", answer)
                if answer["error"].get("code") != code:
                    found.append(f"the exit code is {code}")
            elif verb is None:
                found.append("no schema has this verb's name")
            elif wrong := self.errors(verb, answer):
                if "--dry-run" not in arguments or self.errors("request", answer):
                    found += wrong
        return found


def verbs_below(binary: str, words: list[str]) -> list[str]:
    told = subprocess.run([binary, *words, "--help"], capture_output=True, text=True, check=True).stdout
    below = re.findall(r"^  (\S+)", told.partition("\nSubcommands:\n")[2].partition("\n\n")[0], re.MULTILINE)
    own = ["-".join(words)] if words and re.search(r"^  --json\b", told, re.MULTILINE) else []
    return own + [verb for word in below for verb in verbs_below(binary, [*words, word])]


def main() -> int:
    schemas, wrong, heard = Schemas(sys.argv[1]), 0, set()
    calls = sorted(one for one in Path(sys.argv[2]).iterdir() if one.with_suffix(".out").exists() and not one.suffix)
    for call in calls:
        code, arguments = call.read_text().split("\n")[:2]
        heard.add(schemas.verb_of(arguments.split(" ")))
        for fault in schemas.faults(int(code), arguments.split(" "), call.with_suffix(".out").read_text()):
            print(f"{sys.argv[1]} {arguments} (exit {code}): {fault}", file=sys.stderr)
            wrong += 1
    for verb in verbs_below(sys.argv[3], []) if len(sys.argv) > 3 else []:
        if verb not in heard:
            print(f"{sys.argv[1]} {verb}: {'no call with --json' if verb in schemas.names else 'no schema'}", file=sys.stderr)
            wrong += 1
    print(f"{len(calls)} answers to --json, {wrong} not as their schemas say")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
