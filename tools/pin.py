"""Write requirements/*.txt: every Python dependency, pinned with the hashes of all its published files.

To refresh the pins, from the root of the repository::

    .venv/bin/python tools/pin.py              # keep what still fits, add what is missing
    .venv/bin/python tools/pin.py --upgrade    # take the newest releases that pyproject.toml admits
    make test

One file serves Python 3.11 to 3.14; where they need different releases, a marker says which. No file holds an
address: pip asks the registry it is set up with, and a hash tells whether the answer is right.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What to resolve for each file. What is published as source alone is compiled with the *build files.
FILES = {
    "build": ["--group", "build"],
    "dev": ["pyproject.toml", "--extra", "all", "--group", "dev"],
    # What natfix's Debian package and RPM carry, in the releases that are tested. tools/wheels.py takes pure Python only.
    "package": ["pyproject.toml", "--extra", "etcd", "--extra", "metrics", "--constraint", "requirements/dev.txt"],
    "ansible": ["--group", "ansible"],
    "bench-build": ["--group", "build", "--group", "bench-build"],
    "bench": ["--group", "bench"],
}

HEADER = """\
# Made by tools/pin.py from pyproject.toml: {what}. Do not edit.
# Install with: pip install --require-hashes --no-build-isolation -r requirements/{name}.txt
"""


def pin(name: str, what: list[str], options: list[str]) -> None:
    """Write requirements/*name*.txt, resolved from *what*.

    Raises:
        subprocess.CalledProcessError: no set of releases fits, or no registry answers; uv has said why.
    """
    path = ROOT / "requirements" / f"{name}.txt"
    command = [sys.executable, "-m", "uv", "pip", "compile", *what, "--output-file", str(path)]
    command += ["--universal", "--python-version", "3.11", "--generate-hashes"]
    command += ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    subprocess.run([*command, "--quiet", *options], cwd=ROOT, check=True)
    pins = path.read_text(encoding="utf-8")
    if "://" in pins:
        sys.exit(f"{path}: holds an address; nothing but names, versions and hashes belongs there")
    path.write_text(HEADER.format(what=" ".join(what), name=name) + pins, encoding="utf-8")


if __name__ == "__main__":
    for file, source in FILES.items():
        pin(file, source, sys.argv[1:])
        print(f"requirements/{file}.txt written")
