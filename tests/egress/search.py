"""Finds tokens in names and contents of files."""
import os
import re


def tokens_below(top: str, mark: str, since: float, skip=(), names_only=()):
    """(name, bytes, path) of every token in a file's name, or in a small file that changed after `since`."""
    token = re.compile(re.escape(mark) + "_([a-z0-9-]+)_")
    for folder, below, inside in os.walk(top, onerror=lambda _: None):
        below[:] = [one for one in below if os.path.join(folder, one) not in skip]
        for one in inside + below:
            path = os.path.join(folder, one)
            for name in token.findall(one):
                yield name, len(one), path
        if any(part in folder for part in names_only):
            continue
        for one in inside:
            path = os.path.join(folder, one)
            if path in skip:
                continue
            for name in set(token.findall(contents(path, since))):
                if name not in one:
                    yield name, len(mark) + len(name) + 2, path


def contents(path: str, since: float) -> str:
    try:
        status = os.lstat(path)
        if status.st_mtime < since or not os.path.isfile(path) or os.path.islink(path) or status.st_size > 1 << 22:
            return ""
        with open(path, errors="replace") as f:
            return f.read()
    except OSError:
        return ""
