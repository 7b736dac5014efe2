#!/usr/bin/env python3
"""make_wheel.py FOLDER [NEEDS]: a wheel of one module and one program, and the requirements that name it by its digest."""
import base64
import hashlib
import pathlib
import sys
import zipfile


def make_wheel(folder: pathlib.Path, needs: str = "", extra: tuple[str, str] | None = None) -> pathlib.Path:
    info = "tiny-1.0.dist-info/"
    files = {"tiny.py": "def answer():\n    return 42\n\n\ndef main():\n    print('the answer is', answer())\n",
             info + "METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n" + (f"Requires-Dist: {needs}\n" if needs else ""),
             info + "WHEEL": "Wheel-Version: 1.0\nGenerator: make_wheel\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
             info + "entry_points.txt": "[console_scripts]\ntiny = tiny:main\n"}
    if extra:
        files[extra[0]] = extra[1]
    rows = [f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},{len(text)}" for name, text in files.items()]
    files[info + "RECORD"] = "\n".join(rows + [info + "RECORD,,"]) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), text)
    requirements = folder / "requirements.txt"
    requirements.write_text(f"# one module\ntiny==1.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    return requirements


if __name__ == "__main__":
    print(make_wheel(pathlib.Path(sys.argv[1]), *sys.argv[2:]))
