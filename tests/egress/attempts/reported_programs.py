"""Programs of root's that anybody may start, and what was reported of them."""
import os
import subprocess
import time

from common import Stopped
from reported import NO_RISE, reported


def rises(command, environment=None, program="/usr/bin/su"):
    """Runs a setuid program; Stopped unless it had root's rights."""
    with subprocess.Popen(command, executable=program, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment) as child:
        time.sleep(0.2)
        try:
            with open(f"/proc/{child.pid}/status") as f:
                effective = next(line.split()[2] for line in f if line.startswith("Uid:"))
        except (OSError, StopIteration):
            effective = "nobody: it ended"
        child.kill()
    if effective != "0":
        raise Stopped(f"it runs as {effective}")


for label, path, report in (("newgrp", "/usr/bin/newgrp", "a program of root's that asks"), ("passwd", "/usr/bin/passwd", "a program of root's that asks"),
                            ("chfn", "/usr/bin/chfn", "CVE-2023-29383")):
    @reported("rise-" + label, report, f"a setuid program, {path}", NO_RISE, opens=True,
              absent="it gives root's rights back at once" if label == "newgrp" else "")
    def _(t, path=path): rises([path], program=path)

ENVIRONMENTS = {"tunables": ("CVE-2023-4911", "GLIBC_TUNABLES", "glibc.malloc.mxfast=glibc.malloc.mxfast=" + "A" * 4096), "audit": ("CVE-2010-3856", "LD_AUDIT", "libpcprofile.so"),
                "origin": ("CVE-2010-3847", "LD_AUDIT", "$ORIGIN/../audit.so"), "locale": ("PwnKit's way to a library", "GCONV_PATH", "/tmp"),
                "library": ("the oldest of them", "LD_PRELOAD", "/tmp/none.so")}
for label, (report, variable, value) in ENVIRONMENTS.items():
    @reported("rise-" + label, report, f"{variable} for a setuid program", NO_RISE, opens=True)
    def _(t, variable=variable, value=value): rises(["su"], {variable: value, "PATH": "/usr/bin:/bin"})


for label, report, path, words in (("pkexec", "CVE-2021-4034", "/usr/bin/pkexec", [""]), ("sudoedit", "CVE-2021-3156", "/usr/bin/sudo", ["sudoedit", "-s", "\\"]),
                                   ("sudo-user", "CVE-2019-14287", "/usr/bin/sudo", ["sudo", "-u#-1", "id"]), ("fusermount", "CVE-2018-10906", "/usr/bin/fusermount3", ["fusermount3", "-o", "allow_other", "/tmp"]),
                                   ("singularity", "CVE-2019-11328", "/usr/libexec/apptainer/bin/starter-suid", ["starter"]), ("at", "CVE-2002-0004", "/usr/bin/at", ["at", "31337", "+", "vuln"])):
    @reported("rise-" + label, report, f"{path} with words of one's own", NO_RISE, opens=True, absent="" if os.path.exists(path) else "it is not installed here")
    def _(t, path=path, words=words):
        if not os.path.exists(path):
            raise Stopped("no such program")
        rises(words, program=path)
