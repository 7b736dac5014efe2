"""walks.py WALKS SCRATCH: types the lines of the pages in WALKS. On stdin: NAME [TEXT], a page and up to which line; "end" checks that
every line of every page was typed. Answers what failed, or "done"."""
import os
import re
import subprocess
import sys
from pathlib import Path

WALKS, SCRATCH = map(Path, sys.argv[1:])
WHO = {"researcher": "e-alice", "reviewer": "r1", "steward": "intake", "admin": "root", "auditor": "r3", "pipeline": "e-alice"}
WORKSPACE = "/srv/aloft/workspaces/hel/e-alice"
LINES, COLUMNS = 40, 140  # a screen


def commands(page: Path) -> list[tuple[str, str]]:
    """(account, command): indented lines, one that ends with a backslash goes on. "As `steward`" says who types from there on."""
    who, found, goes_on = WHO[page.stem], [], False
    for line in page.read_text().splitlines():
        if named := re.match(r"As `([a-z0-9-]+)`", line):
            who = named[1]
        if line.startswith("    "):
            if goes_on:
                found[-1] = (who, found[-1][1] + "\n" + line[4:])
            else:
                found.append((who, line[4:]))
            goes_on = line.endswith("\\")
    return found


class Shell:
    """One that stays, so that a variable of one line is there in the next."""

    def __init__(self, account: str):
        self.codes, told = os.pipe()
        home = WORKSPACE if account == "e-alice" else "/root" if account == "root" else f"/home/{account}"
        environment = {"PATH": f"{SCRATCH}/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": home, "EDITOR": f"{SCRATCH}/bin/editor",
                       "PYTHONPATH": "/opt/packages", "LANG": "C.UTF-8"}
        self.said = open(SCRATCH / "said", "ab")
        self.shell = subprocess.Popen(["setpriv", "--reuid", account, "--regid", account, "--init-groups", "bash", "--norc"], stdin=subprocess.PIPE,
                                      stdout=self.said, stderr=self.said, env=environment, pass_fds=[told], cwd=home if account != "root" else "/srv")
        self.told = told
        os.close(told)
        self.codes = os.fdopen(self.codes)

    def type(self, command: str) -> int:
        self.shell.stdin.write(f"{{ {command}\n}} < /dev/null\necho $? >&{self.told}\n".encode())
        self.shell.stdin.flush()
        return int(self.codes.readline())


PAGES = {page.stem: commands(page) for page in sorted(WALKS.glob("*.md")) if page.stem != "README"}
assert set(PAGES) == set(WHO), set(PAGES) ^ set(WHO)
SHELLS: dict[tuple[str, str], Shell] = {}


def walk(name: str, text: str) -> list[str]:
    while PAGES[name]:
        account, command = PAGES[name].pop(0)
        if (name, account) not in SHELLS:
            SHELLS[name, account] = Shell(account)
        shell = SHELLS[name, account]
        at = (SCRATCH / "said").stat().st_size
        expected = int(found[1]) if (found := re.search(r"# exit (\d+)$", command)) else 0
        code = shell.type(command)
        if code != expected:
            said = (SCRATCH / "said").read_bytes()[at:].decode(errors="replace").splitlines()
            return [f"{name}.md: as {account}: {command}: exit {code}, not {expected}", *said[-12:]]
        if text and text in command:
            return []
    return [f"{name}.md has no line with {text}"] if text else []


for asked in sys.stdin:
    name, _, text = asked.strip().partition(" ")
    if name != "end":
        wrong = walk(name, text)
    else:
        wrong = [f"{page}.md: never typed: {rest[0][1]}" for page, rest in PAGES.items() if rest]
        for page in WALKS.glob("*.md"):
            lines = page.read_text().splitlines()
            if len(lines) > LINES or max(map(len, lines)) > COLUMNS:
                wrong.append(f"{page.name} is larger than a screen")
    print("\n".join(wrong) if wrong else "done", flush=True)
    if wrong:
        sys.exit(1)
