"""Layers 1 and 2: margincore_tests on the CUDA backend alone."""

import os
import re
import subprocess

SUMMARY = re.compile(r"^\[doctest\] test cases: +(\d+) \| +(\d+) passed \| +(\d+) failed \| +(\d+) skipped", re.M)
LIMIT_S = 300


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


def run(part, plugin, build, out):
    command = [tests_program(build), "--duration=true", "--no-colors=true"]
    log = os.path.join(out, "operations.log")
    with open(log, "w", encoding="utf-8") as file:
        try:
            status = subprocess.run(
                command, env=environment(plugin, build), stdout=file, stderr=subprocess.STDOUT, timeout=LIMIT_S, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            status = f"none: stopped after {LIMIT_S} s"
    with open(log, encoding="utf-8", errors="replace") as file:
        output = file.read()
    counts = read_summary(output)
    if counts is None:
        print(output[-4000:])
        return part.fail(f"margincore_tests did not come to its summary; status {status}")
    passed, failed, skipped = counts
    part.ok(passed)
    if skipped:
        # Without the path where the plugin would have been.
        reasons = [line[len("skipped: ") :].split(" (")[0] for line in output.splitlines() if line.startswith("skipped: ")]
        part.skip("; ".join(reasons) or "margincore_tests does not say why", skipped)
    if failed or status != 0:
        print(output[-8000:])
        part.fail(f"margincore_tests: status {status}; operations.log has the checks that failed", max(failed, 1))
    _, _, used = output.partition("Share of each tolerance that was used:\n")
    rows = re.findall(r"^ +(\S.*?) +([\d.]+ %)$", used, re.M)
    part.table("Share of each tolerance that was used", ["operation", "share"], rows)
