"""A cluster on this machine (tests/cluster/cluster), as the demo speaks to it."""
import json
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from report import Failed

HERE = Path(__file__).resolve().parent
HARNESS = HERE.parent.parent / "tests/cluster/cluster"
STATES_OVER = tuple((HARNESS.parent / "states_over").read_text().split())  # of a job, as Slurm names them


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def last_words(self) -> str:
        """What a program said about its failure, in a line: of an error event its text; of several lines the one of ours, or the last."""
        lines = [line.strip() for line in (self.err + "\n" + self.out).splitlines() if line.strip()]
        said = next((line for line in reversed(lines) if " error " in line or "aloft:" in line), lines[-1] if lines else "nothing")
        event = re.search(r' error \w+ .*?text="(.*)"$', said)
        return (event[1] if event else said)[:400]


def run(command: list, log: Path | None = None, timeout: float = 300, stdin: str | None = None) -> Result:
    """Runs a command; its output goes to the end of `log` too. Never throws for what the command does."""
    try:
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, errors="replace",
                              timeout=timeout, input=stdin, stdin=subprocess.DEVNULL if stdin is None else None)
        result = Result(done.returncode, done.stdout, done.stderr)
    except subprocess.TimeoutExpired as late:
        def text(part):
            return part.decode(errors="replace") if isinstance(part, bytes) else part or ""
        result = Result(124, text(late.stdout), text(late.stderr) + f"\nstopped after {timeout} s")
    if log:
        with log.open("a", errors="replace") as file:
            file.write(f"$ {' '.join(str(c) for c in command)}\n{result.out}{result.err}[exit {result.code}]\n\n")
    return result


def last_json(text: str) -> dict:
    """The last line that is a JSON object, {} if there is none."""
    for line in reversed(text.strip().splitlines()):
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            return value
    return {}


class Cluster:
    def __init__(self, folder: Path, number: int, log: Path):
        self.folder, self.number, self.log = folder, number, log
        self.is_up = False

    def _harness(self, *words, timeout: float = 300, stdin: str | None = None) -> Result:
        return run([HARNESS, "--num", self.number, "--dir", self.folder, *words], self.log, timeout, stdin)

    def up(self, prefix: Path, enclave: str, fence: str = "on", nodes: int = 2, open_nodes: str = "ALL") -> None:
        self.is_up = True  # down cleans up after a half start as well
        done = self._harness("up", "--nodes", nodes, "--prefix", prefix, "--fence", fence, "--enclave", enclave, "--open-nodes", open_nodes, timeout=1200)
        if done.code:
            raise Failed(f"the cluster did not start: {done.last_words}. Its log: {self.log}")

    def down(self) -> None:
        if self.is_up:
            self._harness("down", timeout=600)
            self.is_up = False

    # The same three, as calls that may fail (`try_…`) and as calls that must not.
    def try_as(self, user: str, *command, timeout: float = 300, stdin: str | None = None) -> Result:
        return self._harness("as", user, *command, timeout=timeout, stdin=stdin)

    def try_host(self, host: str, *command, timeout: float = 120, stdin: str | None = None) -> Result:
        return self._harness("host", host, *command, timeout=timeout, stdin=stdin)

    def as_user(self, user: str, *command, timeout: float = 300, stdin: str | None = None) -> str:
        return self._must(self.try_as(user, *command, timeout=timeout, stdin=stdin), user, command)

    def host(self, host: str, *command, timeout: float = 120, stdin: str | None = None) -> str:
        return self._must(self.try_host(host, *command, timeout=timeout, stdin=stdin), f"root on {host}", command)

    def json_as(self, user: str, *command, timeout: float = 300) -> dict:
        """The JSON object that a command with --json prints."""
        out = self.as_user(user, *command, timeout=timeout)
        found = last_json(out)
        if not found:
            raise Failed(f"`{' '.join(map(str, command))}` as {user} printed no JSON: {out.strip()[:200]}")
        return found

    def _must(self, result: Result, who: str, command: tuple) -> str:
        if result.code:
            raise Failed(f"`{' '.join(map(str, command))}` as {who} ended with exit code {result.code}: {result.last_words}")
        return result.out

    def daemon(self, host: str, *command) -> None:
        """Starts something that stays until the host goes."""
        subprocess.Popen([str(c) for c in (HARNESS, "--num", self.number, "--dir", self.folder, "host", host, "setsid", *command)],
                         stdin=subprocess.DEVNULL, stdout=(self.folder.parent / "daemons.log").open("a"), stderr=subprocess.STDOUT)

    def push(self, path: str, *hosts: str) -> None:
        done = self._harness("push", path, *hosts)
        if done.code:
            raise Failed(f"{path} could not be copied to {' '.join(hosts)}: {done.last_words}")

    def mirror(self) -> None:
        """Every host copies what is published now."""
        self._harness("mirror")

    def wait_published(self, path: str, *hosts: str) -> None:
        """Until each of the hosts has a file of what is published."""
        for _ in range(600):
            self.mirror()
            if all(self.try_host(host, "test", "-e", f"/run/aloft-mirror/{path}").code == 0 for host in hosts):
                return
            time.sleep(0.1)
        raise Failed(f"{path} was not published within a while. aloft-sign's log: {self.folder.parent}/daemons.log")

    def kill_node(self, number: int) -> None:
        self._harness("kill-node", number)

    def start_node(self, number: int) -> None:
        self._harness("start-node", number)

    def wait_idle(self) -> None:
        done = self._harness("wait-idle")
        if done.code:
            raise Failed(f"the nodes did not become idle: {done.last_words}")

    def titles(self, host: str) -> str:
        """The command lines of all processes on a host. Not logged: it is asked several times a second."""
        return run([HARNESS, "--num", self.number, "--dir", self.folder, "host", host, "ps", "-eo", "args"]).out

    # Paths that every host shares, seen from this machine.
    def shared(self, path: str) -> Path:
        for inside, outside in (("/srv/aloft", "srv"), ("/home", "home")):
            if path == inside or path.startswith(inside + "/"):
                return self.folder / outside / path[len(inside):].lstrip("/")
        raise ValueError(path)

    def job_state(self, job: int) -> dict[str, str]:
        """What the controller knows of a job: scontrol's KEY=VALUE pairs; empty if it is forgotten."""
        out = self.try_host("ctld", "scontrol", "-o", "show", "job", job).out
        return dict(pair.split("=", 1) for pair in out.split() if "=" in pair)

    def wait_job(self, job: int, until: tuple[str, ...] = STATES_OVER, timeout: float = 600) -> dict[str, str]:
        """Waits until the job's state is one of `until`. Throws Failed after `timeout` seconds, or when Slurm holds the job."""
        started = time.monotonic()
        while True:
            state = self.job_state(job)
            if state.get("JobState", "") in until:
                return state
            waited = time.monotonic() - started
            if waited > timeout or state.get("Reason", "").endswith("_held"):
                raise Failed(f"job {job} is {state.get('JobState', 'forgotten')} ({state.get('Reason', '')}) after {waited:.0f} s")
            time.sleep(0.3)
