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
from program import Program
from report import Report, run_command
from sample import SampleFiles

PARTS = ("operations", "trajectories", "heads", "users")


def check(report, arguments, chosen):
    report.describe(environment.of_machine())
    report.run("itself", itself.run)
    program = os.path.join(arguments.build, "test", "gpu", "margincore_gpu_jobs")
    with (
        tempfile.TemporaryDirectory() as folder,
        Program([program], {"MARGINCORE_CUDA_LIBRARY": arguments.plugin}) as jobs,
    ):
        info = jobs.ask("info")
        report.describe(environment.of_device(info))
        simulated = bool(info["simulated"])
        report.mark = "simulated: true. A rehearsal: this says nothing about a real device." if simulated else ""
        files = SampleFiles(folder)
        parts = {
            "operations": lambda part: operations.run(part, arguments.plugin, arguments.build, arguments.out),
            "trajectories": lambda part: trajectories.run(part, jobs, files, folder),
            "heads": lambda part: heads_alone.run(part, jobs, folder),
            "users": lambda part: users_units.run(part, jobs, files, folder, simulated),
        }
        for name in chosen:
            report.run(name, parts[name])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, help="where the programs were built")
    parser.add_argument("--plugin", required=True, help="libmargincore_cuda.so, or that of the simulated device")
    parser.add_argument("--out", required=True)
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {','.join(PARTS)}")
    arguments = parser.parse_args()
    chosen = arguments.only.split(",")
    unknown = set(chosen) - set(PARTS)
    if unknown:
        parser.error(f"--only: {', '.join(sorted(unknown))} is none of {', '.join(PARTS)}")
    os.makedirs(arguments.out, exist_ok=True)
    run_command(Report("GPU check: tests", "test", arguments.out), lambda report: check(report, arguments, chosen))


main()
