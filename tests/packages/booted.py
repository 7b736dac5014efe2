"""A root booted as a host: systemd is its process 1, in namespaces and control groups of its own; nothing of it is left when it ends.

    with Booted(root, "host1", [Path("/tmp/x/srv")]) as host: host.run("systemctl start munge")

Writes go to an overlay that is thrown away, but for the folders that hosts share: each appears at its last name, /srv. Needs root."""
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

PR_SET_PDEATHSIG = 1
START = r'''
set -e
root=$1 name=$2 dir=$3 shared=$4
hostname "$name"; mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$root,upperdir=$dir/upper,workdir=$dir/work" "$dir/mnt"
cd "$dir/mnt"; echo "$name" > etc/hostname
mount -t proc proc proc; mount -t sysfs sys sys; mount -t tmpfs -o mode=755 run run; mount -t tmpfs -o mode=755 dev dev
for device in null zero full random urandom tty kmsg; do [ ! -e /dev/$device ] || cp -a /dev/$device dev/; done
mkdir dev/pts dev/shm dev/mqueue; mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts; ln -s pts/ptmx dev/ptmx
[ "$5" = /sys/fs/cgroup ] || mount -t tmpfs -o mode=755 cgroup sys/fs/cgroup   # as on the machine that boots it: version 1 and 2, or 2 alone
shift 4
for point; do
  mkdir -p ".$point"
  case $point in
    /sys/fs/cgroup|*/unified) mount -t cgroup2 cgroup2 ".$point" ;;
    */systemd) mount -t cgroup -o none,name=systemd cgroup ".$point" ;;
    *) mount -t cgroup -o "${point##*/}" cgroup ".$point" ;;
  esac
done
mount --bind "$dir/disk" var/lib                       # what must outlive a boot lies on a disk that can be seen to be one
for one in $shared; do mount --bind "$one" "${one##*/}"; done
ip link set lo up
mkdir -p .old; pivot_root . .old; umount -l /.old; rmdir /.old
exec env -i container=aloft PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system
'''


class Booted:
    def __init__(self, root: pathlib.Path, name: str, shared: list[pathlib.Path] = ()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="aloft-booted-"))
        for part in ("upper", "work", "mnt"):
            (self.folder / part).mkdir()
        subprocess.run(["cp", "-a", root / "var/lib", self.folder / "disk"], check=True)
        self.groups = []
        tops = [pathlib.Path(line.split()[1]) for line in pathlib.Path("/proc/self/mounts").read_text().splitlines() if line.split()[2] in ("cgroup", "cgroup2")]
        for top in tops:
            group = top / self.folder.name
            group.mkdir()
            self.groups.append(group)
            if top.name == "cpuset":
                for file in ("cpuset.cpus", "cpuset.mems"):
                    (group / file).write_text((top / file).read_text())
        with open(self.folder / "console", "w") as log:
            self.starter = subprocess.Popen(["unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "--kill-child", "--cgroup", "sh", "-c", START,
                                         "sh", root, name, self.folder, " ".join(map(str, shared)), *tops], stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=self.enter)
        self.init = self.first_process()
        try:
            self.run("for i in $(seq 1500); do state=$(systemctl is-system-running 2>/dev/null || true); "
                     "case $state in running|degraded) exit 0 ;; esac; sleep 0.2; done; systemctl list-jobs; exit 1")
        except BaseException:
            self.end()
            raise

    def enter(self):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)   # the host ends with this test, however that ends
        for group in self.groups:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    def first_process(self) -> int:
        end = time.monotonic() + 300
        while time.monotonic() < end and self.starter.poll() is None:
            for pid in pathlib.Path(f"/proc/{self.starter.pid}/task/{self.starter.pid}/children").read_text().split():
                if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "systemd":
                    return int(pid)
            time.sleep(0.05)
        raise RuntimeError("it did not boot: " + (self.folder / "console").read_text()[-2000:])

    def run(self, script: str, code: int = 0, **more) -> str:
        """What a shell script says that root runs there; it must end with `code`."""
        done = subprocess.run(["nsenter", f"--target={self.init}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd", "/usr/bin/env", "-i",
                               "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root", "sh", "-ec", script],
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **more)
        if done.returncode != code:
            raise AssertionError(f"{script}: exit code {done.returncode}\n{done.stdout[-6000:]}")
        return done.stdout

    def end(self):
        try:
            os.kill(self.init, signal.SIGKILL)
        except (OSError, AttributeError):
            pass
        self.starter.wait()
        for group in self.groups:
            for folder, _, _ in os.walk(group, topdown=False):
                for _ in range(50):
                    try:
                        os.rmdir(folder)
                        break
                    except OSError:
                        time.sleep(0.1)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
