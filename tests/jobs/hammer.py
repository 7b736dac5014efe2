"""hammer.py SITE_FOLDER UID: four callers, two of them as UID, change an enclave as fast as they are answered, until the file
SITE_FOLDER/stop is there. What was answered for is noted in SITE_FOLDER/home/answered-NAME, a node's name a line."""
import json
import os
import sys

from ask import talk

FOLDER, UID = sys.argv[1], int(sys.argv[2])


def hammer(name):
    count = 0
    with open(f"{FOLDER}/home/answered-{name}", "w") as noted:
        if name in "ab":
            os.setresuid(UID, UID, UID)
        while not os.path.exists(f"{FOLDER}/stop"):
            count += 1
            node = f"{name}{count}x"
            request = {"op": "enclave.change", "id": "hel", "policy_sha256": "a" * 64, "add": {"nodes": [node]}}
            answer = talk(f"{FOLDER}/run/aloftd.sock", (json.dumps(request) + "\n").encode())
            if answer and answer["ok"]:
                print(node, file=noted, flush=True)


def main():
    children = []
    for name in "abcd":
        child = os.fork()
        if child == 0:
            hammer(name)
            os._exit(0)
        children.append(child)
    sys.exit(1 if any([os.waitpid(child, 0)[1] for child in children]) else 0)


main()
