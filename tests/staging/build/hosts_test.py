"""Builds by six ranks on three hosts: network namespaces of one machine, which share its file systems and nothing else, and
reach each other by TCP alone. Run as the others here; needs root."""
import contextlib, os, pathlib, shutil, signal, subprocess, sys, time, unittest

import builds
from builds import MPIEXEC, SOURCE, STAGE

HOSTS = (1, 2, 3)
NET = "10.213.97"


class Hosts:
    """The namespaces, their network, and what mpirun starts its daemons with instead of ssh."""

    def __init__(self, folder):
        self.name = f"aloft-stage-{os.getpid()}-"
        self.agent = folder / "agent"
        self.agent.write_text(f'#!/bin/sh\n# HOST COMMAND...: on that host, which has a name of its own\n'
                              f'host=$1; shift\nexec ip netns exec "{self.name}${{host##*.}}" unshare --uts '
                              f'sh -c \'hostname "host$0" && eval "$@"\' "${{host##*.}}" "$@"\n')
        self.agent.chmod(0o755)

    def __enter__(self):
        try:
            for host in (0, *HOSTS):
                self.run("ip", "netns", "add", self.name + str(host))
                self.run(*self.inside(host), "ip", "link", "set", "lo", "up")
            self.run(*self.inside(0), "ip", "link", "add", "bridge", "type", "bridge")
            self.run(*self.inside(0), "ip", "address", "add", f"{NET}.254/24", "dev", "bridge")
            self.run(*self.inside(0), "ip", "link", "set", "bridge", "up")
            for host in HOSTS:
                self.run(*self.inside(0), "ip", "link", "add", f"to{host}", "type", "veth", "peer", "name", "eth0",
                         "netns", self.name + str(host))
                self.run(*self.inside(0), "ip", "link", "set", f"to{host}", "master", "bridge", "up")
                self.run(*self.inside(host), "ip", "address", "add", f"{NET}.{host}/24", "dev", "eth0")
                self.run(*self.inside(host), "ip", "link", "set", "eth0", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for host in (0, *HOSTS):
            for pid in self.processes(host):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            subprocess.run(["ip", "netns", "del", self.name + str(host)], stderr=subprocess.DEVNULL)

    def inside(self, host):
        return ["ip", "netns", "exec", self.name + str(host)]

    @staticmethod
    def run(*command):
        subprocess.run(command, check=True)

    def processes(self, host):
        found = subprocess.run(["ip", "netns", "pids", self.name + str(host)], capture_output=True, text=True).stdout
        return [int(pid) for pid in found.split()]

    def ranks(self, host):
        """Its ranks; their readers are children of theirs."""
        def status(pid, key):
            with contextlib.suppress(OSError):
                for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                    if line.startswith(key + ":"):
                        return line.split(":")[1].strip()
            return ""
        return [pid for pid in self.processes(host)
                if status(pid, "Name") == "aloft-stage" and status(status(pid, "PPid"), "Name") == "orted"]


def until(condition, seconds=600):
    """Whether it came true."""
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.01)
    return found


class ThreeHosts(builds.Builds):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.hosts = Hosts(cls.root)
        cls.addClassCleanup(cls.hosts.__exit__)
        cls.hosts.__enter__()

    def begin_build(self, out, before={}):
        """A build of digits by two ranks of each host; `before`: what is put before the program on a host."""
        command = [*self.hosts.inside(0), MPIEXEC, "--allow-run-as-root", "--oversubscribe", "--mca", "plm_rsh_agent",
                   str(self.hosts.agent), "--mca", "orte_keep_fqdn_hostnames", "1", "--mca", "btl", "self,tcp", "--mca", "pml",
                   "ob1", "--mca", "mpi_yield_when_idle", "1"]
        for layer in ("btl", "oob"):
            command += ["--mca", f"{layer}_tcp_if_include", f"{NET}.0/24"]
        build = self.command(SOURCE / "configs/datasets/digits.toml", out, 1, self.deliveries / "digits")
        build = build[build.index(STAGE):]
        for host in HOSTS:
            command += [":"] * (host > 1) + ["-n", "2", "--host", f"{NET}.{host}:2", *before.get(host, []), *build]
        log = self.logs / out.name
        with open(f"{log}.out", "ab") as stdout, open(f"{log}.err", "ab") as stderr:
            run = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
        run.log = log
        return run

    def errors(self, run):
        return pathlib.Path(f"{run.log}.err").read_text()

    def ends_whole(self, run, out):
        self.assertEqual(builds.end_of(run), 0, self.errors(run)[-4000:])
        self.assert_same_tree(self.whole(), out)
        self.assertEqual([pid for host in HOSTS for pid in self.hosts.ranks(host)], [])

    def whole(self):
        """By two ranks of one host."""
        return self.version("digits")

    @staticmethod
    def waiting(out):
        return sum(path.stat().st_size for path in (out / ".work").glob("segment-*.done"))

    def at_work(self, run, out):
        """Stage 1 has begun."""
        self.assertTrue(until(lambda: self.waiting(out) > 0 or run.poll() is not None))
        self.assertIsNone(run.poll(), self.errors(run)[-4000:])

    def test_three_hosts_build_the_same_though_one_rank_stands_still_for_a_while(self):
        out = self.root / "slow"
        run = self.begin_build(out)
        self.at_work(run, out)
        slow = self.hosts.ranks(2)[0]
        os.kill(slow, signal.SIGSTOP)
        before = self.waiting(out)
        until(lambda: self.waiting(out) > before + 1024, 5)  # the others go on
        os.kill(slow, signal.SIGCONT)
        self.ends_whole(run, out)

    def test_a_rank_or_a_host_that_is_lost_ends_the_build_and_the_next_goes_on(self):
        for lost in (lambda: self.hosts.ranks(3)[:1], lambda: self.hosts.processes(3)):
            out = self.root / f"lost-{len(list(self.root.iterdir()))}"
            run = self.begin_build(out)
            self.at_work(run, out)
            for pid in lost():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.assertNotEqual(builds.end_of(run), 0)
            self.assertFalse((out / "manifest.json").exists())
            self.assertTrue(until(lambda: not any(self.hosts.processes(host) for host in HOSTS)), "ranks outlive the build")
            self.ends_whole(self.begin_build(out), out)

    def test_a_disk_that_is_full_on_one_host_is_said_by_it_and_ends_all(self):
        out = self.root / "full"
        run = self.begin_build(out, {2: ["sh", "-c", "trap '' XFSZ; ulimit -f 16; exec \"$@\"", "sh"]})
        self.assertEqual(builds.end_of(run), 4, self.errors(run)[-4000:])
        self.assertRegex(self.errors(run), "rank_failed rank=[23] .*File too large")
        self.assertFalse((out / "manifest.json").exists())
        self.ends_whole(self.begin_build(out), out)


if __name__ == "__main__":
    if os.geteuid() != 0 or not shutil.which("ip"):
        print("skipped: hosts are network namespaces, which need root and ip")
        sys.exit(77)
    builds.main()
