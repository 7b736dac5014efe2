"""Step 3: deliveries become dataset versions. The intake account builds, verify reads back, a steward seals."""
import contextlib
import json
import subprocess
import threading
from collections import Counter
from pathlib import Path

from cluster import Cluster, run
from enclave import CONFIGS, ENCLAVE
from report import Report

HOSPITALS = ("north", "central", "south", "east")
DATASETS = ("digits", "wdbc", "mixed")
INTAKE_UID = 69991
KEYS = "/home/intake/keys"


def deliver(cluster: Cluster, deliveries: Path) -> None:
    """The hospitals' folders as they lie on the intake host: the intake account's, closed to others."""
    target = cluster.shared("/srv/aloft/deliveries")
    target.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", "--no-preserve=ownership", f"{deliveries}/.", target], check=True)
    subprocess.run(["chown", "-hR", f"{INTAKE_UID}:{INTAKE_UID}", target], check=True)
    target.chmod(0o700)


def build_command(dataset: str, configs: str, deliveries: str, keys: str, out: str, mpirun: tuple = ()) -> list[str]:
    command = ["mpirun", *mpirun, "--oversubscribe", "--mca", "btl", "self,vader,tcp", "--mca", "mpi_yield_when_idle", "1",
               "-n", "2", "aloft-stage", "build", "--dataset", f"{configs}/datasets/{dataset}.toml"]
    for hospital in HOSPITALS:
        command += ["--delivery", f"{hospital}={deliveries}/{dataset}/{hospital}"]
    return command + ["--keys", keys, "--out", out, "--json"]


def take_in(report: Report, cluster: Cluster, made: dict, args) -> str:
    figures = {}
    for dataset in DATASETS:
        version = f"/srv/aloft/datasets/{dataset}/1"
        name = f"{dataset}@1"
        cluster.as_user("intake", "aloft-stage", "keys", "new", KEYS, "--dataset", name)
        cluster.as_user("intake", "mkdir", "-p", f"/srv/aloft/datasets/{dataset}")
        with watched_titles(cluster, args.out / "process-titles.txt"):
            built = cluster.try_as("intake", *build_command(dataset, CONFIGS, "/srv/aloft/deliveries", KEYS, version))
        if not report.claim(built.code == 0, f"{name} is built by 2 ranks of aloft-stage as the intake account",
                            built.last_words if built.code else ""):
            continue
        inspected = cluster.json_as("intake", "aloft-stage", "inspect", version, "--json")
        quarantine = cluster.as_user("intake", "aloft-stage", "quarantine", "list", version, "--json")
        refused = reasons(quarantine)
        verified = cluster.try_as("intake", "aloft-stage", "verify", version, "--key", f"{KEYS}/{name}.key", "--json")
        report.claim(verified.code == 0, f"every byte of {name} was read back, authenticated and compared",
                     verified.last_words if verified.code else "")
        # The steward signs in the version's folder; the intake account no longer writes there.
        cluster.host("login", "chown", "-R", "steward:steward", version)
        cluster.as_user("steward", "aloft-stage", "seal", version, "--key", "/home/steward/steward.key")
        cluster.as_user("intake", "aloft", "admin", "key-seal", name, "--enclave", ENCLAVE, "--key", f"{KEYS}/{name}.key")
        cluster.as_user("steward", "aloft", "catalogue", "register", name)
        figures[dataset] = {"built": last_json(built.out), "inspect": inspected, "quarantine": refused}
        report.say(f"{name}: quarantined {sum(refused.values())}: " +
                   ", ".join(f"{count} {reason}" for reason, count in refused.items()))
    report.figure("datasets", figures)
    search_identifiers(report, cluster, args, list(figures))
    for dataset in figures:
        expect_refusals(report, dataset, figures[dataset]["quarantine"], made["hostile"])
    return ", ".join(f"{d}@1" for d in figures) + " built, verified, sealed; hostile files in quarantine"


def search_identifiers(report: Report, cluster: Cluster, args, datasets: list[str]) -> None:
    """Looks for every planted identifier in all that was written since the deliveries arrived: shards decrypted and as they
    lie, manifests, reports, quarantine records, logs, what `ps` showed meanwhile; and, to know that the search sees, in a
    plain copy of a delivery."""
    command = [args.find_identifiers, "--planted", args.out / "planted.json"]
    for dataset in datasets:
        command += ["--dataset", cluster.shared(f"/srv/aloft/datasets/{dataset}/1"),
                    "--key", cluster.shared(f"{KEYS}/{dataset}@1.key")]
    written = [*sorted(args.out.glob("*.log")), args.out / "process-titles.txt", cluster.shared("/srv/aloft/published")]
    for tree in written:
        command += ["--tree", tree]
    searched = run(command, args.out / "search.log", timeout=240)
    seen = last_json(searched.out)
    naive = last_json(run([args.find_identifiers, "--planted", args.out / "planted.json", "--tree",
                           args.out / "deliveries/digits/central"], args.out / "search.log").out)
    found, known = seen.get("found"), naive.get("found", 0)
    report.claim(found == 0 and seen.get("searched_bytes", 0) > 0, "no planted identifier in anything that staging wrote, shards decrypted",
                 f"{seen['searched_bytes']} bytes searched for {seen['patterns']} forms, {found} found"
                 + ("" if not found else f": {seen['by_form']}") if seen else searched.last_words)
    report.claim(known > 0, "the same search finds them in a plain copy of one hospital's folder", f"{known} places")
    report.figure("identifiers", {"searched_bytes": seen.get("searched_bytes", 0), "searched_files": seen.get("searched_files", 0),
                                  "found": found, "found_in_naive_copy": known})


def reasons(listing: str) -> dict[str, int]:
    """How many records of a quarantine list have which reason, most first."""
    return dict(Counter(json.loads(line)["reason"] for line in listing.splitlines() if line.strip()).most_common())


@contextlib.contextmanager
def watched_titles(cluster: Cluster, file: Path):
    """Writes down what every process of the login host is called, several times a second: other accounts can read that."""
    done = threading.Event()

    def watch():
        with file.open("a") as out:
            while not done.is_set():
                out.write(cluster.titles("login"))
                done.wait(0.2)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def last_json(text: str) -> dict:
    for line in reversed(text.strip().splitlines()):
        try:
            return json.loads(line)
        except ValueError:
            continue
    return {}


def expect_refusals(report: Report, dataset: str, quarantine: dict[str, int], hostile: list[dict]) -> None:
    """Every broken or hostile file is in quarantine, under a reason that fits: quarantine records name no file, so
    the counts must be able to hold what was planted."""
    planted = [h for h in hostile if h["dataset"] == dataset]
    left, missing = Counter(quarantine), []
    for one in sorted(planted, key=lambda h: len(h["reasons"])):
        reason = next((r for r in one["reasons"] if left[r] > 0), None)
        if reason:
            left[reason] -= 1
        else:
            missing.append(f"{one['kind']} ({' or '.join(one['reasons'])})")
    if planted:
        report.claim(not missing, f"{dataset}: each of {len(planted)} hostile files planted is in quarantine for its reason",
                     "not found: " + ", ".join(missing) if missing else "")


