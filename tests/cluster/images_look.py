"""What one task in an image sees, a line each: images_test counts them."""
import ctypes
import fcntl
import os
import pathlib
import pwd
import socket
import time

yes = {True: "yes", False: "no"}


def tried(what) -> bool:
    try:
        what()
        return True
    except OSError:
        return False


print("system", pathlib.Path("/etc/os-release").read_text().strip())
print("data", pathlib.Path("/data/said").read_text().strip())
print("account", pwd.getpwuid(os.getuid()).pw_name)
print("node's programs", yes[os.path.exists("/usr/bin/perl") or os.path.exists("/usr/sbin/slurmd")])
print("set-user-ID", yes[any(os.stat(os.path.join(folder, name)).st_mode & 0o6000
                             for folder in ("/usr/bin", "/usr/lib") for name in os.listdir(folder))])
print("written", yes[any(tried(lambda path=path: open(path, "w")) for path in ("/usr/x", "/x", "/etc/x", "/aloft/x", "/var/x", "/dev/x", "/run/x"))])
print("dataset", *os.listdir("/aloft/data"))
print("workspace", yes[tried(lambda: open(f"/aloft/workspace/of-{os.environ['SLURM_PROCID']}", "w"))])
print("temporary", yes[all(tried(lambda path=path: open(f"{path}/x{os.getpid()}", "w")) for path in ("/tmp", "/var/tmp", "/dev/shm"))])
mounts = [line.split() for line in open("/proc/self/mounts")]
image = [mount for mount in mounts if mount[1] in ("/", "/usr", "/etc", "/data", "/var") or mount[2] == "squashfs"]
print("mounts under /", "read-only, inert" if len(image) >= 5 and all({"ro", "nosuid", "nodev"} <= set(mount[3].split(",")) for mount in image) else image)
print("connected", yes[tried(lambda: socket.create_connection(("203.0.113.5", 443), 1))])
print("other users' processes", yes[any(os.stat(f"/proc/{one}").st_uid != os.getuid() for one in os.listdir("/proc") if one.isdigit())])
print("files at its top", yes[pathlib.Path("/entrypoint.sh").read_text() == "of the image\n"])
print("its /opt and ours", *sorted(os.listdir("/opt")))
with open("/aloft/lib/libsodium.so.23") as ours:
    if os.environ["SLURM_LOCALID"] == "0":   # tasks of a step share the view's overlays
        fcntl.flock(ours, fcntl.LOCK_EX | fcntl.LOCK_NB)
    pathlib.Path(f"/aloft/workspace/locked-{os.environ['SLURM_PROCID']}").touch()
    while not os.path.exists("/aloft/workspace/seen"):
        time.sleep(0.1)
library = pathlib.Path("/opt/aloft/lib")
if found := sorted(library.rglob("libaloft.so*")):
    ctypes.CDLL(str(found[0]))
    print("libaloft loaded")
