"""scripts/gpu-check sanitize: compute-sanitizer's tools over the tests of the operations and over short trainings."""

import argparse
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

import comparison
import environment
import operations
import trajectories
from program import JobError, Program, job_line
from report import Report, run_command
from sample import SampleFiles

BUDGET_S = 400  # for all of it; the command's eight minutes have the build in them, too
SUMMARY = re.compile(r"^=+ (?:ERROR SUMMARY: (\d+) errors?|RACECHECK SUMMARY: \d+ hazards? displayed \((\d+) errors?)", re.M)
# Kernels of ours, by a part of their names; an older or newer tool that does not know the option checks all kernels.
OURS = (["--kernel-regex", "kns=margincore"], [])
ALL = ([],)
# Of the tests: what runs our kernels. Products and convolutions are the libraries' own.
TESTS = ["--source-file=*/ops/*", "--source-file-exclude=*/ops/memory_test*", "--no-colors=true"]
OUR_TESTS = [*TESTS[:1], f"{TESTS[1]},*/ops/convolution_test*,*/ops/linear_test*", TESTS[2]]
TRAININGS = (("everything", "sgd"), ("arcface", "adam"), ("pedcc", "sgd"), ("a-softmax", "sgd"))


def find_sanitizer():
    nvcc = shutil.which("nvcc")
    beside = [os.path.join(os.path.dirname(os.path.realpath(nvcc)), "compute-sanitizer")] if nvcc else []
    places = [*beside, *glob.glob("/usr/local/cuda*/bin/compute-sanitizer"), "/opt/nvidia/compute-sanitizer/compute-sanitizer"]
    return shutil.which("compute-sanitizer") or next((place for place in places if os.path.exists(place)), None)


class Runner:
    def __init__(self, sanitizer, plugin, build, out):
        self.sanitizer, self.out = sanitizer, out
        self.environment = operations.environment(plugin, build)
        self.ends = time.monotonic() + BUDGET_S

    def run(self, part, tool, what, command, filters, text=None):
        """One tool over one program. Counts 1: its summary must be there and name no error."""
        for kernels in filters:
            left = self.ends - time.monotonic()
            if left < 5:
                return part.fail(f"{what}: not run, the {BUDGET_S} s were used up")
            # The tests provoke errors of the API, such as allocations that are too large.
            options = ["--tool", tool, "--error-exitcode", "99", "--report-api-errors", "no", *kernels]
            output = self.output([self.sanitizer, *options, *command], text, left)
            if SUMMARY.search(output):
                break
        with open(os.path.join(self.out, f"{tool}.log"), "a", encoding="utf-8") as log:
            log.write(f"#### {what}\n{output[-2_000_000:]}\n")
        found = SUMMARY.findall(output)
        if not found:
            return part.fail(f"{what}: no summary of {tool}; it said last: {output[-500:]!r}")
        errors = sum(int(a or b) for a, b in found)
        part.notes.append(f"{what}{' (our kernels)' if kernels else ''}: {errors} errors")
        if errors:
            return part.fail(f"{what}: {errors} errors; {tool}.log has them")
        part.ok()
        return output

    def output(self, command, text, limit):
        """A group of its own, so that the tool's program ends with it."""
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.environment,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            return process.communicate(text, timeout=limit)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return f"{process.communicate()[0]}\nstopped after {limit:.0f} s"


def training_jobs(files, folder):
    reference = comparison.read_json("reference.json")
    return "".join(
        job_line("trajectory", {**trajectories.Case(reference, *case).job(files, folder), "steps": 3}) for case in TRAININGS
    )


def check_answers(part, output):
    """Under the tool the program must still have done its work."""
    answers = [json.loads(line) for line in (output or "").splitlines() if line.startswith("{")]
    bad = [answer.get("error", "") for answer in answers if "losses" not in answer]
    if output is not None and (bad or len(answers) != len(TRAININGS)):
        part.fail(f"training under the tool: {len(answers)} answers of {len(TRAININGS)}: {bad}")


def check_tests(part, output):
    counts = operations.read_summary(output or "")
    if output is not None and (counts is None or counts[0] == 0 or counts[1] > 0):
        part.fail(f"the tests under the tool: passed, failed, skipped are {counts}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--plugin", required=True)
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    os.makedirs(arguments.out, exist_ok=True)
    tests = operations.tests_program(arguments.build)
    jobs = os.path.join(arguments.build, "test", "gpu", "margincore_gpu_jobs")
    with Program([jobs], {"MARGINCORE_CUDA_LIBRARY": arguments.plugin}) as program:
        info = program.ask("info")
    if info["simulated"]:
        raise JobError("simulated: true. compute-sanitizer needs a real device; npm test has AddressSanitizer for the other")
    report = Report("GPU check: compute-sanitizer", environment.describe(info))
    sanitizer = find_sanitizer()
    if sanitizer is None:
        report.run("compute-sanitizer", lambda part: part.fail("it is not there; it belongs to the CUDA toolkit"))
        report.write(arguments.out, "sanitize")
        return report.finish()

    runner = Runner(sanitizer, arguments.plugin, arguments.build, arguments.out)
    for old in glob.glob(os.path.join(arguments.out, "*check.log")):
        os.remove(old)
    with tempfile.TemporaryDirectory() as folder:
        text = training_jobs(SampleFiles(folder), folder)

        # What matters most comes first: the budget may end before the last.
        def trained(tool, filters):
            return lambda part: check_answers(part, runner.run(part, tool, "training", [jobs], filters, text))

        def tested(tool, filters, choice):
            return lambda part: check_tests(part, runner.run(part, tool, "operations", [tests, *choice], filters))

        report.run("memcheck, training", trained("memcheck", ALL))
        report.run("racecheck, training", trained("racecheck", OURS))
        report.run("memcheck, operations", tested("memcheck", ALL, TESTS))
        report.run("racecheck, operations", tested("racecheck", OURS, OUR_TESTS))
        report.run("synccheck, operations", tested("synccheck", OURS, OUR_TESTS))
        report.run("initcheck, training", trained("initcheck", OURS))
    report.write(arguments.out, "sanitize")
    return report.finish()


run_command(main)
