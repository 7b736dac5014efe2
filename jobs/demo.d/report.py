"""What the demo prints and writes: steps with their times, claims with what was seen, the table at the end."""
import contextlib
import json
import os
import platform
import sys
import time
import traceback
from datetime import datetime, timezone
from pathlib import Path

WIDTH = 100


class Failed(Exception):
    """A step cannot go on: what failed, why, what to do."""


def now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


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
        for line in text.splitlines():
            print(f"   {line}", flush=True)

    def figure(self, name: str, value) -> None:
        """A number or a small table of this step, for summary.json."""
        self._step["figures"][name] = value

    def claim(self, held: bool, text: str, seen: str = "") -> bool:
        """One thing that must hold. A claim that does not hold fails the step, not the rest of the demo."""
        self._step["claims"].append({"claim": text, "held": bool(held), "seen": seen})
        self.say(f"{'✓' if held else '✗'} {text}" + (f": {seen}" if seen else ""))
        return bool(held)

    def output(self, name: str, path: Path | str) -> None:
        self.summary["outputs"][name] = str(path)

    def held(self, *numbers: int) -> bool:
        return all(any(s["number"] == n and s["outcome"] == "held" for s in self.summary["steps"]) for n in numbers)

    @contextlib.contextmanager
    def step(self, number: int, title: str):
        """Times a step. It holds if it made claims, all of them held, and nothing was thrown."""
        self._step = {"number": number, "title": title, "outcome": "failed", "seconds": 0.0, "happened": "",
                      "claims": [], "figures": {}}
        self.summary["steps"].append(self._step)
        started = time.monotonic()
        print(f"\n── {number}. {title} " + "─" * max(3, WIDTH - len(title) - 8), flush=True)
        try:
            yield self._step
            claims = self._step["claims"]
            if claims and all(c["held"] for c in claims):
                self._step["outcome"] = "held"
        except Failed as failure:
            self.claim(False, str(failure))
        except Exception as error:  # noqa: BLE001  # a step that breaks must not keep the cluster from being taken down
            traceback.print_exc(file=sys.stdout)
            self.claim(False, f"this step broke: {type(error).__name__}: {error}")
        finally:
            self._step["seconds"] = round(time.monotonic() - started, 2)
            self.say(f"{self._step['seconds']:.1f} s")

    def skip(self, number: int, title: str, why: str, outcome: str = "not run") -> None:
        print(f"\n── {number}. {title} " + "─" * max(3, WIDTH - len(title) - 8), flush=True)
        self.say(f"{outcome}: {why}")
        self.summary["steps"].append({"number": number, "title": title, "outcome": outcome, "seconds": 0.0,
                                      "happened": why, "claims": [], "figures": {}})

    def finish(self) -> bool:
        """The table, the outputs' paths, summary.json. True if everything held."""
        steps = self.summary["steps"]
        self.summary["seconds"] = round(time.monotonic() - self.started, 2)
        self.summary["held"] = bool(steps) and all(s["outcome"] in ("held", "left out") for s in steps)
        print("\n── What happened " + "─" * (WIDTH - 17))
        for s in steps:
            print(f"   {s['number']}  {s['happened'] or s['title']:<76.76} {s['seconds']:6.1f} s  {s['outcome']}")
        print(f"   {'':<79} {self.summary['seconds']:6.1f} s")
        for s in steps:
            for claim in s["claims"]:
                if not claim["held"]:
                    print(f"   ✗ step {s['number']}: {claim['claim']}" + (f": {claim['seen']}" if claim["seen"] else ""))
        path = self.out / "summary.json"
        self.output("summary", path)
        print()
        for name, where in self.summary["outputs"].items():
            print(f"   {name:<12} {where}")
        fresh = path.with_suffix(".json.new")
        fresh.write_text(json.dumps(self.summary, ensure_ascii=False, indent=1) + "\n")
        fresh.rename(path)
        print(f"\n   {'Everything held.' if self.summary['held'] else 'NOT everything held: see ✗ above.'}", flush=True)
        return self.summary["held"]
