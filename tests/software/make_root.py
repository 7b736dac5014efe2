#!/usr/bin/python3
"""A root of a few programs of this machine, as a container's is: make_root.py FOLDER. It has what a test asks of an image, and no more."""
import pathlib
import re
import shutil
import subprocess
import sys

PROGRAMS = ("bash", "sh", "cat", "env", "id", "ls", "python3", "sleep", "touch")
LEFT_OUT = ("__pycache__", "test", "idlelib", "lib2to3", "ensurepip", "pydoc_data", "distutils", "turtledemo", "config-*")


def libraries_of(program: pathlib.Path) -> set[pathlib.Path]:
    said = subprocess.run(["ldd", program], text=True, stdout=subprocess.PIPE, check=False).stdout
    return {pathlib.Path(path) for path in re.findall(r"(/\S+\.so\S*)", said)}


def put(root: pathlib.Path, file: pathlib.Path):
    place = root / file.relative_to("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, place)


def main(root: pathlib.Path):
    for folder in ("usr/bin", "usr/lib", "usr/lib64", "etc", "var/lib", "real/opt/theirs", "data"):
        (root / folder).mkdir(parents=True)
    for name in ("bin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    (root / "opt").symlink_to("/real/opt")
    (root / "entrypoint.sh").write_text("of the image\n")
    needed = set()
    for name in PROGRAMS:
        program = pathlib.Path("/usr/bin") / name
        shutil.copy(program, root / "usr/bin" / name)
        needed |= libraries_of(program)
    packages = sorted(pathlib.Path("/usr/lib").glob("python3.*"))[-1]
    shutil.copytree(packages, root / packages.relative_to("/"), ignore=shutil.ignore_patterns(*LEFT_OUT))
    for module in (root / packages.relative_to("/") / "lib-dynload").glob("*.so"):
        needed |= libraries_of(module)
    # What libaloft.so asks of a system beside the libraries that its view brings.
    needed |= {path for path in libraries_of(pathlib.Path("/usr/bin/cmake")) if path.name.startswith(("libstdc++", "libgcc_s"))}
    for library in needed:
        put(root, pathlib.Path("/usr") / library.relative_to("/") if not str(library).startswith("/usr") else library)
    (root / "etc/os-release").write_text('ID=image\n')
    (root / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\n")
    (root / "data/said").write_text("of the image\n")
    (root / "usr/bin/python3").chmod(0o4755)   # which no image keeps


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
