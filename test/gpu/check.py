"""scripts/gpu-check test: layers 2, 5 and 6 (README.md) on a CUDA device, real or simulated."""

import argparse
import os
import tempfile

import environment
import heads_alone
import itself
import operations
import trajectories
import users_units
from budget import SECONDS, Budget
from program import Program
from run import Run, run_command
from sample import SampleFiles

PARTS = ("operations", "trajectories", "heads", "users")


def check(run, arguments, chosen):
    budget = Budget(arguments.seconds)
    run.describe(environment.of_machine())
    program = os.path.join(arguments.build, "test", "gpu", "margincore_gpu_jobs")
    with (
        tempfile.TemporaryDirectory() as folder,
        Program([program], {"MARGINCORE_CUDA_LIBRARY": arguments.plugin}, budget=budget) as jobs,
    ):
        info = jobs.ask("info")
        run.on_device(info, arguments.build)
        simulated = bool(info["simulated"])
        run.mark = "simulated: true. A rehearsal: this says nothing about a real device." if simulated else ""
        files = SampleFiles(folder)
        parts = {
            "operations": lambda part: operations.run(part, arguments.plugin, arguments.build, run.folder, budget),
            "trajectories": lambda part: trajectories.run(part, jobs, files, folder),
            "heads": lambda part: heads_alone.run(part, jobs, folder),
            "users": lambda part: users_units.run(part, jobs, files, folder, simulated),
        }

        def tests(report):
            report.run("itself", itself.run)
            for name in chosen:
                report.run(
                    name, parts[name] if budget.begin() else lambda part: part.not_reached("the time was used up")
                )

        run.report("test", "GPU check: tests", tests)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, help="where the programs were built")
    parser.add_argument("--plugin", required=True, help="libmargincore_cuda.so, or that of the simulated device")
    parser.add_argument("--out", required=True)
    parser.add_argument("--again", action="store_true", help="also what was finished before")
    parser.add_argument("--seconds", type=float, default=SECONDS["test"], help="how long to begin new work")
    parser.add_argument("parts", nargs="*", default=PARTS, help=f"of {', '.join(PARTS)}; all without any")
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - set(PARTS)
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))} is none of {', '.join(PARTS)}")
    run_command(Run(arguments.out, arguments.again), lambda run: check(run, arguments, arguments.parts))


main()
