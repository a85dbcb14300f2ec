"""scripts/gpu-check sanitize: compute-sanitizer's tools over the tests of the operations and over short trainings."""

import argparse
import glob
import json
import os
import tempfile

import comparison
import environment
import operations
import sanitizer
import trajectories
from budget import SECONDS, Budget
from program import JobError, Program, job_line
from run import Run, run_command
from sample import SampleFiles

# Of the tests of operations: matmuls and convolutions are the libraries' own, and memory_test runs no kernels.
TESTS = os.path.join(comparison.ROOT, "test", "native", "ops", "*_test.cpp")
NO_KERNELS = ("memory_test.cpp",)
LIBRARIES = ("convolution_test.cpp", "linear_test.cpp")
TRAININGS = (("everything", "sgd"), ("arcface", "adam"), ("pedcc", "sgd"), ("a-softmax", "sgd"))


def training_jobs(files, folder):
    reference = comparison.read_json("reference.json")
    return "".join(
        job_line("trajectory", {**trajectories.Case(reference, *case).job(files, folder), "steps": 3})
        for case in TRAININGS
    )


def wrong_answers(output):
    """Under the tool the program must still have done its work."""
    answers = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    bad = [answer.get("error", "") for answer in answers if "losses" not in answer]
    right = not bad and len(answers) == len(TRAININGS)
    return "" if right else f"training under the tool: {len(answers)} answers of {len(TRAININGS)}: {bad}"


def wrong_tests(output):
    counts = operations.read_summary(output)
    right = counts is not None and counts[0] > 0 and counts[1] == 0
    return "" if right else f"the tests under the tool: passed, failed, skipped are {counts}"


def files_of_tests(program, tool):
    """A process for each, so that the time may end in between. initcheck sees no writes of kernels that it does not check, and takes some of the libraries' own for none: it is for
    tests that run our kernels alone, as those two are that know only ours."""
    left_out = NO_KERNELS if tool == "memcheck" else (*NO_KERNELS, *LIBRARIES)
    names = sorted(os.path.basename(path) for path in glob.glob(TESTS))
    return {
        name: ([program, f"--source-file=*/ops/{name}", "--no-colors=true"], wrong_tests)
        for name in names
        if name not in left_out
    }


def planted(part, tools, budget):
    for tool in part.in_time(part.lacking(sanitizer.FAULTS), budget):
        tools.plant(part, tool)


def believed(faults):
    """Of the tools that reported their fault, the filter with which they did."""
    return {tool: case["value"] for tool, case in faults.cases.items() if case["passed"]}


def sanitized(part, tools, tool, cases, budget):
    """cases: name → the command, what its output is looked at by, and its standard input."""
    if tool not in tools.kernels:
        return part.fail(f"not run: {tool} does not report its planted fault")
    for name in part.in_time(part.lacking(cases), budget):
        tools.run(part, tool, name, *cases[name])


def check(run, arguments):
    budget = Budget(arguments.seconds)
    run.describe(environment.of_machine())
    tests = operations.tests_program(arguments.build)
    jobs = os.path.join(arguments.build, "test", "gpu", "margincore_gpu_jobs")
    with Program([jobs], {"MARGINCORE_CUDA_LIBRARY": arguments.plugin}) as program:
        info = program.ask("info")
    run.on_device(info, arguments.build)
    if info["simulated"]:
        raise JobError(
            "simulated: true. compute-sanitizer needs a real device; npm test has AddressSanitizer for the other"
        )
    path = sanitizer.find()
    if path is None:
        raise JobError("compute-sanitizer is not there; it belongs to the CUDA toolkit")

    def tools_of(report):
        tools = sanitizer.Sanitizer(path, arguments.plugin, arguments.build, run.folder, budget)
        if not report.earlier:
            for old in glob.glob(os.path.join(run.folder, "*check.log")):
                os.remove(old)
        faults = report.run("planted faults", lambda part: planted(part, tools, budget))
        tools.kernels = believed(faults)
        with tempfile.TemporaryDirectory() as folder:
            training = {"training": ([jobs], wrong_answers, training_jobs(SampleFiles(folder), folder))}
            # What matters most comes first: the time may end before the last.
            for tool in ("memcheck", "racecheck"):
                report.run(f"{tool}, training", lambda part: sanitized(part, tools, tool, training, budget))
            for tool in sanitizer.FAULTS:
                report.run(
                    f"{tool}, operations",
                    lambda part: sanitized(part, tools, tool, files_of_tests(tests, tool), budget),
                )

    run.report("sanitize", "GPU check: compute-sanitizer", tools_of)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--plugin", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--again", action="store_true", help="also what was finished before")
    parser.add_argument("--seconds", type=float, default=SECONDS["sanitize"], help="how long to begin new work")
    arguments = parser.parse_args()
    run_command(Run(arguments.out, arguments.again), lambda run: check(run, arguments))


if __name__ == "__main__":
    main()
