"""Step 3: deliveries become dataset versions. The intake account builds, verify reads back, a steward seals."""
import base64
import contextlib
import hashlib
import json
import subprocess
import threading
from collections import Counter
from pathlib import Path

from cluster import Cluster, last_json, run
from enclave import CONFIGS, ENCLAVE
from report import Report

HOSPITALS = ("north", "central", "south", "east")
DATASETS = ("digits", "wdbc", "mixed")
INTAKE_UID = 69991
FATE = {"train": "So the model will learn from it.", "validation": "So it will help to choose the model.", "test": "So the model will be measured on it."}
KEYS = "/home/intake/keys"
MPIRUN = ["mpirun", "--oversubscribe", "--mca", "btl", "self,vader,tcp", "--mca", "mpi_yield_when_idle", "1"]


def deliver(cluster: Cluster, deliveries: Path) -> None:
    """The hospitals' folders as they lie on the intake host: the intake account's, closed to others."""
    target = cluster.shared("/srv/aloft/deliveries")
    target.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", "--no-preserve=ownership", f"{deliveries}/.", target], check=True)
    subprocess.run(["chown", "-hR", f"{INTAKE_UID}:{INTAKE_UID}", target], check=True)
    target.chmod(0o700)


def build(dataset: str, configs, deliveries, keys, out) -> list:
    named = [word for hospital in HOSPITALS for word in ("--delivery", f"{hospital}={deliveries}/{dataset}/{hospital}")]
    return ["aloft-stage", "build", "--dataset", f"{configs}/datasets/{dataset}.toml", *named, "--deliveries", f"{configs}/deliveries/demo",
            "--keys", keys, "--out", out, "--json"]


def project_key() -> str:
    """The key file of the demo's project. A real one is random and escrowed (`aloft-stage keys new` makes it); this one is the same in
    every run, so that the same patients are held out and figures can be compared. Nobody's identity hangs on it."""
    return f"aloft-key-1 secret {base64.b64encode(hashlib.sha256(b'aloft demo').digest()).decode()}\n"


def take_in(report: Report, cluster: Cluster, made: dict, args) -> str:
    report.say("aloft-stage reads each file in a sandboxed worker, keeps what the profile names and nothing else, and packs encrypted shards; "
               "what cannot be proven clean goes to quarantine. A steward seals the version, and its key is sealed for the enclave's nodes.")
    figures = {}
    cluster.as_user("intake", "sh", "-c", f"umask 277; mkdir -m 700 {KEYS} && cat > {KEYS}/pseudonym.key", stdin=project_key())
    for dataset in DATASETS:
        version = f"/srv/aloft/datasets/{dataset}/1"
        name = f"{dataset}@1"
        cluster.as_user("intake", "aloft-stage", "keys", "new", KEYS, "--dataset", name)
        cluster.as_user("intake", "mkdir", "-p", f"/srv/aloft/datasets/{dataset}")
        with watched_titles(cluster, args.out / "process-titles.txt"):
            built = cluster.try_as("intake", *MPIRUN, "-n", "2", *build(dataset, CONFIGS, "/srv/aloft/deliveries", KEYS, version))
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
    if "digits" in figures:
        follow_patient(report, args, cluster.shared("/srv/aloft/datasets/digits/1"), cluster.shared(KEYS))
    for dataset in figures:
        expect_refusals(report, dataset, figures[dataset]["quarantine"], made["hostile"])
    return ", ".join(f"{d}@1" for d in figures) + " built, verified, sealed; hostile files in quarantine"


def search_identifiers(report: Report, cluster: Cluster, args, datasets: list[str]) -> None:
    """Looks for every planted identifier in all that was written since the deliveries arrived: shards decrypted and as they
    lie, manifests, reports, quarantine records, logs, what `ps` showed meanwhile; and, to know that the search sees, in a
    plain copy of a delivery."""
    command = [args.tests / "identifiers/find_identifiers", "--planted", args.out / "planted.json"]
    for dataset in datasets:
        command += ["--dataset", cluster.shared(f"/srv/aloft/datasets/{dataset}/1"),
                    "--key", cluster.shared(f"{KEYS}/{dataset}@1.key")]
    written = [*sorted(args.out.glob("*.log")), args.out / "process-titles.txt", cluster.shared("/srv/aloft/published")]
    for tree in written:
        command += ["--tree", tree]
    searched = run(command, args.out / "search.log", timeout=900)
    seen = last_json(searched.out)
    naive = last_json(run([args.tests / "identifiers/find_identifiers", "--planted", args.out / "planted.json", "--tree",
                           args.out / "deliveries/digits/central"], args.out / "search.log").out)
    found, known = seen.get("found"), naive.get("found", 0)
    report.claim(found == 0 and seen.get("searched_bytes", 0) > 0, "no planted identifier in anything that staging wrote, shards decrypted",
                 f"{seen['searched_bytes']} bytes searched for {seen['patterns']} forms, {found} found"
                 + ("" if not found else f": {seen['by_form']}") if seen else searched.last_words)
    report.claim(known > 0, "the same search finds them in a plain copy of one hospital's folder", f"{known} places")
    report.figure("identifiers", {"searched_bytes": seen.get("searched_bytes", 0), "searched_files": seen.get("searched_files", 0),
                                  "found": found, "found_in_naive_copy": known})


def introduce(followed: dict) -> str:
    charts = ", ".join(f"record {chart} at {hospital}" for hospital, chart in followed["charts"].items())
    return (f"One of the made patients, to be followed from here on: {followed['name']}, national ID {followed['national_id']}, born "
            f"{followed['birth_date']}; {charts}; {len(followed['images'])} images.")


def follow_patient(report: Report, args, version: Path, keys: Path) -> None:
    """What became of the patient whom step 1 showed. Only the two keys together can tell, so this runs as root here."""
    followed = json.loads((args.out / "followed.json").read_text())
    found = run([args.tests / "demo/follow_patient", "--dataset", version, "--key", keys / "digits@1.key", "--pseudonym-key",
                 keys / "pseudonym.key"], stdin=followed["national_id"])
    samples = last_json(found.out).get("samples", [])
    pixels = sorted(s["sha256"]["image"] for s in samples) == sorted(i["pixels_sha256"] for i in followed["images"])
    columns = samples[0]["columns"] if samples else {}
    report.claim(pixels and len({s["columns"]["patient"] for s in samples}) == 1,
                 "the patient of step 1 is one pseudonym for both hospitals, with the pixels that were delivered, bit for bit",
                 f"{len(samples)} samples" if samples else found.last_words)
    if samples:
        report.say(f"All that is left of one of them ({samples[0]['shard']}, sample {samples[0]['sample']}): "
                   + ", ".join(f"{name} {value}" for name, value in columns.items()) + ". " + FATE[columns["split"]])
        report.figure("followed", {"samples": samples})


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
