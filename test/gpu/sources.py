"""Which sources these are. `python3 sources.py BUILD` writes down what was compiled, for a machine without git; with
`--built` in front it says whether that is what lies here."""

import hashlib
import json
import os
import subprocess
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
FOLDERS = ("native", "test/native", "test/gpu", "bench/gpu", "bench/contenders/pytorch", "test/parity")
COMPILED = (".h", ".cpp", ".cu", ".cuh", ".txt", ".cmake")
ALL = (*COMPILED, ".py", ".tsv", ".json")


def digest(endings=ALL):
    """Of the contents, so that it needs no git and knows what was not committed."""
    found = hashlib.sha256()
    paths = [os.path.join(ROOT, "CMakeLists.txt")]
    for folder in FOLDERS:
        for place, _, files in os.walk(os.path.join(ROOT, folder)):
            paths += [os.path.join(place, name) for name in files if name.endswith(endings)]
    for path in sorted(paths):
        found.update(os.path.relpath(path, ROOT).encode() + b"\0")
        with open(path, "rb") as file:
            found.update(file.read() + b"\0")
    return found.hexdigest()[:16]


def git(*arguments):
    done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def commit(build=None):
    """And its date, and whether the sources differ from it."""
    if "MARGINCORE_COMMIT" in os.environ:
        return os.environ["MARGINCORE_COMMIT"]
    name = git("show", "--no-patch", "--format=%h of %cs", "HEAD")
    if not name:
        return built(build).get("commit", "unknown")
    changed = git("status", "--porcelain", "--untracked-files=no")
    return name + (" (with changes that were not committed)" if changed else "")


def stamp(build):
    return os.path.join(build, "sources.json")


def built(build):
    """What was compiled there, as it was written down; empty where nothing was."""
    try:
        with open(stamp(build), encoding="utf-8") as file:
            return json.load(file)
    except (OSError, TypeError, ValueError):
        return {}


def main():
    build = sys.argv[-1]
    if "--built" in sys.argv:
        if built(build).get("compiled") != digest(COMPILED):
            sys.exit(f"{build} was not compiled from the sources that lie here: scripts/gpu-check build")
        return
    with open(stamp(build), "w", encoding="utf-8") as file:
        json.dump({"commit": commit(), "compiled": digest(COMPILED)}, file)


if __name__ == "__main__":
    main()
