"""scripts/gpu-check sanitize: compute-sanitizer's tools over the tests of the operations and over short trainings."""

import argparse
import glob
import json
import os
import tempfile
import time

import comparison
import environment
import operations
import sanitizer
import trajectories
from program import JobError, Program, job_line
from report import Report, run_command
from sample import SampleFiles

BUDGET_S = (
    400  # unless --seconds says otherwise; for all of it; the command's eight minutes have the build in them, too
)
# Of the tests: what runs our kernels. Matmuls and convolutions are the libraries' own.
TESTS = ["--source-file=*/ops/*", "--source-file-exclude=*/ops/memory_test*", "--no-colors=true"]
OUR_TESTS = [*TESTS[:1], f"{TESTS[1]},*/ops/convolution_test*,*/ops/linear_test*", TESTS[2]]
TRAININGS = (("everything", "sgd"), ("arcface", "adam"), ("pedcc", "sgd"), ("a-softmax", "sgd"))


def training_jobs(files, folder):
    reference = comparison.read_json("reference.json")
    return "".join(
        job_line("trajectory", {**trajectories.Case(reference, *case).job(files, folder), "steps": 3})
        for case in TRAININGS
    )


def check_answers(part, output):
    """Under the tool the program must still have done its work."""
    if output is None:
        return
    answers = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    bad = [answer.get("error", "") for answer in answers if "losses" not in answer]
    if bad or len(answers) != len(TRAININGS):
        part.fail(f"training under the tool: {len(answers)} answers of {len(TRAININGS)}: {bad}")


def check_tests(part, output):
    if output is None:
        return
    counts = operations.read_summary(output)
    if counts is None or counts[0] == 0 or counts[1] > 0:
        part.fail(f"the tests under the tool: passed, failed, skipped are {counts}")


def check(report, arguments):
    ends = time.monotonic() + arguments.seconds
    report.describe(environment.of_machine())
    tests = operations.tests_program(arguments.build)
    jobs = os.path.join(arguments.build, "test", "gpu", "margincore_gpu_jobs")
    with Program([jobs], {"MARGINCORE_CUDA_LIBRARY": arguments.plugin}) as program:
        info = program.ask("info")
    report.describe(environment.of_device(info))
    if info["simulated"]:
        raise JobError(
            "simulated: true. compute-sanitizer needs a real device; npm test has AddressSanitizer for the other"
        )
    path = sanitizer.find()
    if path is None:
        raise JobError("compute-sanitizer is not there; it belongs to the CUDA toolkit")
    for old in glob.glob(os.path.join(arguments.out, "*check.log")):
        os.remove(old)
    tools = sanitizer.Sanitizer(path, arguments.plugin, arguments.build, arguments.out, ends)

    def planted(part):
        for tool in sanitizer.FAULTS:
            tools.plant(part, tool)

    with tempfile.TemporaryDirectory() as folder:
        text = training_jobs(SampleFiles(folder), folder)

        def trained(tool):
            report.run(
                f"{tool}, training", lambda part: check_answers(part, tools.run(part, tool, "training", [jobs], text))
            )

        def tested(tool, choice):
            command = [tests, *choice]
            report.run(
                f"{tool}, operations", lambda part: check_tests(part, tools.run(part, tool, "operations", command))
            )

        # What matters most comes first: the budget may end before the last. initcheck sees no writes of kernels that it
        # does not check, and takes some of the libraries' own for none: it is for tests that run our kernels alone.
        report.run("planted faults", planted)
        trained("memcheck")
        trained("racecheck")
        tested("memcheck", TESTS)
        tested("racecheck", OUR_TESTS)
        tested("synccheck", OUR_TESTS)
        tested("initcheck", OUR_TESTS)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--plugin", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--seconds", type=float, default=BUDGET_S, help=f"how long to begin new work ({BUDGET_S})")
    arguments = parser.parse_args()
    os.makedirs(arguments.out, exist_ok=True)
    run_command(
        Report("GPU check: compute-sanitizer", "sanitize", arguments.out), lambda report: check(report, arguments)
    )


main()
