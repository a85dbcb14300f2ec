"""Layers 1 and 2: margincore_tests on the CUDA backend alone."""

import glob
import os
import re
import subprocess

from comparison import ROOT

SUMMARY = re.compile(r"^\[doctest\] test cases: +(\d+) \| +(\d+) passed \| +(\d+) failed \| +(\d+) skipped", re.M)


def environment(plugin, build):
    return {
        **os.environ,
        "REQUIRE_CUDA": "1",
        "MARGINCORE_TESTED_BACKENDS": "cuda",
        "MARGINCORE_CUDA_LIBRARY": plugin,
        "MARGINCORE_STALE_PLUGIN": os.path.join(build, "test", "native", "libmargincore_stale_plugin.so"),
    }


def tests_program(build):
    return os.path.join(build, "test", "native", "margincore_tests")


def read_summary(output):
    """Passed, failed, skipped; None where the program did not come to its summary."""
    found = SUMMARY.search(output)
    return tuple(int(found.group(i)) for i in (2, 3, 4)) if found else None


def run_tests(command, plugin, build, limit):
    """Exit status and output."""
    try:
        done = subprocess.run(
            command, env=environment(plugin, build), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", timeout=max(limit, 1), check=False,
        )  # fmt: skip
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired as stopped:
        output = stopped.stdout or b""  # bytes even of a text stream
        return f"none: stopped after {limit:.0f} s", output if isinstance(output, str) else output.decode(
            errors="replace"
        )


def count(part, what, status, output, chosen=False):
    """True where all of it passed. `chosen`: of some tests only; doctest counts the others as skipped."""
    counts = read_summary(output)
    if counts is None:
        part.fail(f"{what}: no summary; status {status}")
        return False
    passed, failed, skipped = counts
    part.ok(passed)
    # Without the path where the plugin would have been.
    reasons = [line[len("skipped: ") :].split(" (")[0] for line in output.splitlines() if line.startswith("skipped: ")]
    if chosen:
        skipped = len(reasons)
    if skipped:
        part.skip("; ".join(reasons) or "margincore_tests does not say why", skipped)
    if failed or status != 0:
        part.fail(f"{what}: status {status}; operations.log has the checks that failed", max(failed, 1))
    return not failed and status == 0


def run(part, plugin, build, out, budget):
    command = [tests_program(build), "--duration=true", "--no-colors=true"]
    log = os.path.join(out, "operations.log")
    status, output = run_tests(command, plugin, build, budget.left())
    with open(log, "w", encoding="utf-8") as file:
        file.write(output)
    _, _, used = output.partition("Share of each tolerance that was used:\n")
    rows = re.findall(r"^ +(\S.*?) +([\d.]+ %)$", used, re.M)
    part.table("Share of each tolerance that was used", ["operation", "share"], rows)
    counts = read_summary(output)
    if counts is not None and counts[1] == 0 and status == 0:
        count(part, "margincore_tests", status, output)
        return
    # An error of a CUDA device stays with its process and fails every test behind it.
    print(output[-8000:])
    part.notes.append(f"All in one process: status {status}, {counts}. Once more, a process for each file of tests:")
    wrong = 0
    for source in part.in_time(sorted(glob.glob(os.path.join(ROOT, "test", "native", "*", "*_test.cpp"))), budget):
        name = "/".join(source.split(os.sep)[-2:])
        status, output = run_tests([*command, f"--source-file=*{name}"], plugin, build, budget.left())
        if "test cases: 0 " in " ".join(output.split()):
            continue  # of another program
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"#### {name}\n{output}\n")
        wrong += not count(part, name, status, output, chosen=True)
    if wrong == 0:
        part.fail("each file of tests passes alone, but not all in one process; operations.log has both")
