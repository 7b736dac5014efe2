"""What the demo prints and writes: steps with their times, claims with what was seen, the table at the end."""
import json
import os
import platform
import sys
import textwrap
import time
import traceback
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

WIDTH = 100
MARKS = {"held": "✓", "failed": "✗", "not run": "–", "left out": "–"}


class Failed(Exception):
    """A step cannot go on: what failed, why, what to do."""


def now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def rule(title: str) -> None:
    print(f"\n── {title} " + "─" * max(3, WIDTH - len(title) - 4), flush=True)


class Report:
    """Collects everything that goes into summary.json (SUMMARY.md says what stands there)."""

    def __init__(self, out: Path, quick: bool, fenced: bool):
        self.out = out
        self.started = time.monotonic()
        self.summary = {
            "schema": "aloft-demo-summary-1", "started": now(), "seconds": 0.0, "held": False, "quick": quick,
            "fenced": fenced, "machine": {"cores": os.cpu_count(), "kernel": platform.release()},
            "steps": [], "outputs": {},
        }
        self._step: dict | None = None

    def say(self, text: str) -> None:
        """Prose, broken at the page's width."""
        for line in text.splitlines():
            print(textwrap.fill(line, WIDTH, initial_indent="   ", subsequent_indent="   ", break_long_words=False,
                                break_on_hyphens=False), flush=True)

    def row(self, text: str) -> None:
        """A line of a table: as it stands."""
        print(f"     {text}".rstrip(), flush=True)

    def claim(self, held: bool, text: str, seen: str = "") -> bool:
        """One thing that must hold. A claim that does not hold fails the step, not the rest of the demo."""
        self._step["claims"].append({"claim": text, "held": bool(held), "seen": seen})
        print(textwrap.fill(f"{'✓' if held else '✗'} {text}" + (f": {seen}" if seen else ""), WIDTH, initial_indent="   ",
                            subsequent_indent="     ", break_long_words=False, break_on_hyphens=False), flush=True)
        return bool(held)

    def figure(self, name: str, value) -> None:
        """A number or a small table of this step, for summary.json."""
        self._step["figures"][name] = value

    def output(self, name: str, path: Path | str) -> None:
        self.summary["outputs"][name] = str(path)

    def held(self, number: int) -> bool:
        return any(s["number"] == number and s["outcome"] == "held" for s in self.summary["steps"])

    def step(self, number: int, title: str, work: Callable[[], str]) -> None:
        """Does a step and times it; `work` returns its line of the table. It holds if it made claims, all of them held, and
        nothing was thrown."""
        self._begin(number, title, "failed")
        started = time.monotonic()
        claims = self._step["claims"]
        try:
            happened = work()
            if claims and all(c["held"] for c in claims):
                self._step.update(outcome="held", happened=happened)
        except Failed as failure:
            self.claim(False, str(failure))
        except Exception as error:  # noqa: BLE001  # a step that breaks must not keep the cluster from being taken down
            traceback.print_exc(file=sys.stdout)
            self.claim(False, f"this step broke: {type(error).__name__}: {error}")
        if self._step["outcome"] == "failed":
            self._step["happened"] = next((f"not so: {c['claim']}" for c in claims if not c["held"]), "nothing was claimed")
        self._step["seconds"] = round(time.monotonic() - started, 2)
        self.say(f"{self._step['seconds']:.1f} s")

    def skip(self, number: int, title: str, outcome: str, why: str) -> None:
        self._begin(number, title, outcome)
        self._step["happened"] = why
        self.say(f"{outcome}: {why}")

    def _begin(self, number: int, title: str, outcome: str) -> None:
        rule(f"{number}. {title}")
        self._step = {"number": number, "title": title, "outcome": outcome, "seconds": 0.0, "happened": "", "claims": [],
                      "figures": {}}
        self.summary["steps"].append(self._step)

    def finish(self) -> bool:
        """The table, the outputs' paths, summary.json. True if everything held."""
        steps = self.summary["steps"]
        self.summary["seconds"] = round(time.monotonic() - self.started, 2)
        self.summary["held"] = bool(steps) and all(s["outcome"] in ("held", "left out") for s in steps)
        self.output("summary", self.out / "summary.json")
        rule("What happened")
        for s in steps:
            first, *rest = textwrap.wrap(s["happened"], WIDTH - 20)
            print(f" {s['number']} {MARKS[s['outcome']]}  {first:<{WIDTH - 20}} {s['seconds']:7.1f} s")
            for line in rest:
                print(f"      {line}")
        print(f"      {'together':<{WIDTH - 20}} {self.summary['seconds']:7.1f} s\n")
        for name, where in self.summary["outputs"].items():
            print(f"   {name:<11} {where}")
        for s in steps:
            for claim in s["claims"]:
                if not claim["held"]:
                    print(f"   ✗ step {s['number']}: {claim['claim']}" + (f": {claim['seen']}" if claim["seen"] else ""))
        self._write()
        print(f"\n   {self._verdict()}", flush=True)
        return self.summary["held"]

    def _verdict(self) -> str:
        if not self.summary["held"]:
            return "NOT everything held: see ✗ above."
        return "Everything held." if self.summary["fenced"] else "What was run held. NOTHING WAS FENCED: that needs root."

    def _write(self) -> None:
        path = self.out / "summary.json"
        fresh = path.with_suffix(".json.new")
        fresh.write_text(json.dumps(self.summary, ensure_ascii=False, indent=1) + "\n")
        fresh.rename(path)
