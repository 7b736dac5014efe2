# For tests on a real cluster: sourced with NUM, PREFIX, BUILD set (by CTest). Makes a cluster with enclave "hel", whose keys and grants come
# from cluster_authority; ends it when the test ends.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ "$(id -u)" = 0 ] || { echo "SKIP: a real cluster needs root"; exit 77; }
base=${TMPDIR:-/tmp}   # a node's memory of its fellows must lie on a disk
case $(findmnt -n -o FSTYPE -T "$base") in tmpfs | ramfs) base=/var/tmp ;; esac
scratch=$(mktemp -d -p "$base")
export ALOFT_CLUSTER_NUM=$NUM ALOFT_CLUSTER_DIR=$scratch/cluster ALOFT_CLUSTER_PATIENT=yes
cluster() { "$here/cluster" "$@"; }
trap 'cluster down >/dev/null 2>&1; rm -rf "$scratch"' EXIT
# What is of another system (ALOFT_CLUSTER_BASE) starts there only.
if ! { [ "${ALOFT_CLUSTER_BASE:-/}" != / ] && [ -x "$PREFIX/libexec/aloft/aloft-node" ]; } && ! "$PREFIX/libexec/aloft/aloft-node" --version >/dev/null; then echo "no installation at $PREFIX"; exit 1; fi

faults=0
ok() { echo "ok    $1"; }
# What led to the first faults: by the end the logs have gone on.
bad() {
  echo "FAULT $1"; faults=$((faults + 1))
  [ $faults -gt 3 ] || tail -n 8 "$scratch"/cluster/ctld/root/var/log/slurm/slurmctld.log "$scratch"/cluster/node*/root/var/log/slurm/slurmd.log \
    "$scratch"/cluster/node*/daemon.log 2>/dev/null | sed 's/^/      | /'
}
check() { local what=$1; shift; if "$@"; then ok "$what"; else bad "$what"; fi; }
finish() { [ "$faults" = 0 ] && echo "all held" || { echo "$faults faults"; tail -n 20 "$scratch"/cluster/node*/root/var/log/slurm/slurmd.log "$scratch"/cluster/node*/daemon.log; }; [ "$faults" = 0 ]; exit; }
has() { grep -q -- "$2" "$1" || { echo "--- $1:"; cat "$1"; false; }; }
# The file is there and does not say it: one that was never written proves nothing.
lacks() { [ -e "$1" ] || { echo "--- $1 is not there"; return 1; }; ! grep -q -- "$2" "$1"; }

authority() { cluster host login /srv/aloft/authority "$@" && cluster mirror; }

# The admin changes the enclave's policy by a sed expression, and every host has the new one.
policy() { cluster host login sed -i "$1" /etc/aloft/enclaves/hel.toml && authority revocations; }
# The mirror's parent ends at once, the copy that is at work a moment later: it would mend what is damaged now.
mirror_ends() { cluster host "$1" sh -c 'pkill -x aloft-mirror; while pgrep -x aloft-mirror >/dev/null; do sleep 0.05; done'; }
# What was published to a host is damaged there, and nothing mends it; until `mended`.
damaged() { mirror_ends "$1"; cluster host "$1" sh -c "echo half >/run/aloft-mirror/enclaves/hel.json"; }
mended() { cluster host "$1" sh -c 'rm -f /run/aloft-mirror/enclaves/hel.json; exec setsid /opt/aloft/libexec/aloft/aloft-mirror </dev/null >/dev/null 2>&1 &'; cluster mirror; }

start() {  # the options of `cluster up`
  cluster up --prefix "$PREFIX" --site-packages /nonexistent "$@" || exit 1
  local dir=$scratch/cluster
  cp "$BUILD/tests/cluster/cluster_authority" "$dir/srv/authority"
  printf 'name = "hel"\npartition = "hel"\naccounts = ["e-alice", "e-bob"]\nnodes = ["node1", "node2", "node3"]\nsoftware = ["/opt/aloft"]\nmax_minutes = 60\n' \
    >"$dir/login/root/etc/aloft/enclaves/hel.toml"
  authority keys && authority revocations && authority grant --uid 70001 --account e-alice --dataset digits@1 && authority seal digits@1 >/dev/null || exit 1
  local nodes; nodes=$(seq -f 'node%g' "$(cat "$dir/nodes")")
  cluster push /etc/aloft/keys/grant.pub $nodes $(cd "$dir" && ls -d -- ctld ctld2 2>/dev/null) && cluster mirror
  cluster push /etc/aloft/keys/hel.enclave.key $nodes
  for k in $nodes; do cluster host "$k" /opt/aloft/libexec/aloft/aloft-node init >/dev/null; done
  workspace=$dir/srv/workspaces/hel/e-alice
  install -d -m 700 "$dir/srv/workspaces/hel"; install -d -m 700 -o 70001 -g 70001 "$workspace"
}

state() { cluster host ctld scontrol show job "$1" 2>/dev/null | sed -n 's/^ *JobState=\([A-Z_]*\).*/\1/p' | head -1; }
exit_code() { cluster host ctld scontrol show job "$1" | sed -n 's/.* ExitCode=\([0-9:]*\).*/\1/p'; }

# Is that the state of a job that has ended?
states_over=" $(cat "$here/states_over") "
is_end() { [ -n "$1" ] && case $states_over in *" $1 "*) ;; *) false ;; esac; }

# Submits as e-alice; prints the job's number. What sbatch says on refusal is in $scratch/said.
submit() { cluster as e-alice sbatch --parsable "$@" 2>"$scratch/said"; }

# Waits until the job is over and its nodes are done with it; prints its state. All seconds here are a quiet machine's: a wait ends with what
# it waits for, and a busy machine may take several times as long.
ended() {
  local now late=$((SECONDS + ${2:-60} * 6))
  while now=$(state "$1"); ! is_end "$now"; do
    [ $SECONDS -lt $late ] || { echo "$now after six times ${2:-60} s"; return; }
    sleep 0.2
  done
  echo "$now"
}
completes() { local how; how=$(ended "$1" "${2:-60}"); [ "$how" = COMPLETED ] || { echo "--- $how:"; cat "$workspace/slurm-$1.out"; false; }; }
fails_with() { local how; how=$(ended "$1"); [ "$how" = FAILED ] && [ "$(exit_code "$1")" = "$2:0" ] || { echo "$how, exit $(exit_code "$1")"; false; }; }

running() { within 15 eval '[ "$(state '"$1"')" = RUNNING ]' || { state "$1"; false; }; }
# Waits, for up to $1 seconds of a quiet machine, until the command that follows succeeds; tries it as often as that machine would.
within() {
  local tries=$(($1 * 10)) late=$((SECONDS + $1 * 6)); shift
  until "$@"; do
    [ $((--tries)) -gt 0 ] || [ $SECONDS -lt $late ] || return 1
    sleep 0.1
  done
}
# What nodes have signed and spooled, a JSON object per line.
records() {
  python3 -c 'import base64, json, sys
for path in sys.argv[1:]: print(base64.b64decode(json.load(open(path))["payload"]).decode())' $(find "$scratch/cluster/srv/spool" -name '[0-9]*.json' | sort)
}
# True if there is a record of kind $1 about job $2 that matches $3.
recorded() { records | grep "\"kind\":\"$1\"" | grep "\"subject\":\"job:$2\"" | grep -q -- "$3" || { records | grep "\"job:$2\""; false; }; }
# Once a boot, when the policy reaches it, a node closes itself to the others until they have told each other. A job waits for that; what is done
# outside jobs must, too.
are_open() {
  local k
  for k in $(seq "$(cat "$scratch/cluster/nodes")"); do
    cluster node "$k" sh -c '[ -e /run/aloft-node/said-hello ] && [ -z "$(ls -A /run/aloft-node/closing 2>/dev/null)" ]' || return 1
  done
}
agent_pid() { cluster node "$1" pgrep -x aloft-node; }

# Programs and maps of the fence whose job is gone. Each program carries its job: the id of a cgroup, which is its folder's inode number.
orphans() {
  python3 - <<'PYTHON' || echo "cannot look for what is left of the fence"
import json, os, subprocess, sys
def bpftool(*words):  # what is asked for by its number may be gone by now; a list that cannot be had is an error
    return json.loads(subprocess.run(["bpftool", "-j", *words], capture_output=True, text=True, check="id" not in words).stdout or "[]")
alive = {os.stat(folder).st_ino for folder, _, _ in os.walk("/sys/fs/cgroup/unified" if os.path.isdir("/sys/fs/cgroup/unified") else "/sys/fs/cgroup")}
used = set()
for program in bpftool("prog", "show"):
    if not program.get("name", "").startswith("fence_"): continue
    used.update(program.get("map_ids", []))
    if program["name"] == "fence_gate": continue   # of an interface, not of a cgroup
    for number in program.get("map_ids", []):
        shown = bpftool("map", "show", "id", str(number))
        if not isinstance(shown, dict) or not shown.get("name", "").endswith(".rodata"): continue
        entry = bpftool("map", "dump", "id", str(number))
        if not isinstance(entry, list): continue   # gone meanwhile
        value = bytes(int(byte, 16) for byte in entry[0]["value"]) if entry and "value" in entry[0] else b""
        if int.from_bytes(value[:8], "little") not in alive: print("program", program["id"], program["name"])
for one in bpftool("map", "show"):
    if one.get("name") in ("peers", "blocked", "attempts") and one["id"] not in used: print("map", one["id"], one["name"])
PYTHON
}
# Of this machine, where another cluster's job may begin or end in the middle of a look. What two looks show is left.
no_orphans() {
  local first again
  first=$(orphans | sort); [ -n "$first" ] || return 0
  sleep 1; again=$(orphans | sort)
  [ -z "$(grep -hs "^cannot" <(echo "$first") <(echo "$again"); comm -12 <(echo "$first") <(echo "$again"))" ]
}
