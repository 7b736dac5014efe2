"""Step 4: a researcher asks a question, four groups of reviewers decide, an admin issues a grant."""
from cluster import Cluster
from enclave import NODES
from report import Report

# What `aloft apply create` writes as a form, filled in.
QUESTION = """\
title = "{title}"
datasets = [{datasets}]
purpose = ["DUO:0000006"]
rationale = "Which digit does an image show, and is a biopsy benign or malignant, at hospitals that differ in their scanners?"
necessity = "Pooled images of all four hospitals are needed: one alone has too few. No attribute beyond the datasets' columns is asked for."
reciprocity = "Model and metrics go back to all four hospitals."
social_impact = "None beyond the demonstration: the patients of these datasets are made."
"""
REVIEWS = (("reviewer1", "technical", "fits two nodes"), ("reviewer2", "legal", "covered by the contract's annex B"),
           ("reviewer3", "platform", "partition and software are there"), ("reviewer4", "research", "necessary and proportionate"))


def grant(cluster: Cluster, account: str, title: str, datasets: list[str], *duration: str) -> tuple[dict, dict]:
    """From question to grant. Returns what `apply submit` and `grant issue` say."""
    question = QUESTION.format(title=title, datasets=", ".join(f'"{d}"' for d in datasets))
    cluster.as_user(account, "sh", "-c", "cat > question.toml", stdin=question)
    application = cluster.json_as(account, "aloft", "apply", "submit", "question.toml", "--json")
    number = application["application"]
    for reviewer, group, reason in REVIEWS:
        cluster.as_user(reviewer, "aloft", "review", "decide", number, "--group", group, "--approve", "--reason", reason)
    issued = cluster.json_as("admin", "aloft", "grant", "issue", number, "--contract", f"C-2026-{number}", *duration, "--json")
    cluster.wait_published(f"grants/{issued['grant']}.json", "login", "ctld", *NODES)
    return application, issued


def give_access(report: Report, cluster: Cluster) -> dict:
    before = cluster.try_as("e-alice", "aloft", "submit", "--", "true")
    report.claim(before.code == 5, "before the grant, a submission is refused with exit code 5", before.last_words)
    application, issued = grant(cluster, "e-alice", "Digits and biopsies of four hospitals", ["digits@1", "wdbc@1"])
    report.figure("grant", issued)
    report.claim(bool(issued.get("grant")), f"{application['application']} was approved by four groups, and a grant signed for a year",
                 f"{issued.get('grant')} until {issued.get('not_after')}")
    _, short = grant(cluster, "e-bob", "A look at the digits", ["digits@1"], "--for", "60s")
    report.figure("short_grant", short)
    report.claim(bool(short.get("grant")), "a second researcher has a grant of one minute, which will end during this demo",
                 f"{short.get('grant')} until {short.get('not_after')}")
    return short
