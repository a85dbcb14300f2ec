"""scripts/gpu-check bench: the native core beside PyTorch on the same card, in the same run; ../README.md explains."""

import argparse
import contextlib
import os
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "test", "gpu"))

import environment  # noqa: E402, of test/gpu/
import sample  # noqa: E402
from program import JobError, Program  # noqa: E402
from report import Report, run_command  # noqa: E402

import measure  # noqa: E402
import parts  # noqa: E402

BUDGET_S = 380  # after the build; a part that would begin later is not run, and counts as failed
DRY = "DRY RUN at tiny sizes, PyTorch on the CPU: a check of the benchmark's own code. The numbers mean nothing."


def write_data(folder, copies):
    """The bundled sample, so often that an epoch is as long as on the full data set; a part of it for a dry run."""
    images, labels = sample.read("train")
    mean, std = sample.mean_and_std(images)
    keys = {"mean": mean, "std": std}
    for name, array in (("images", images), ("labels", labels)):
        keys[name] = os.path.join(folder, f"{name}.raw")
        (array[:64] if copies == 0 else array.repeat(copies, axis=0)).tofile(keys[name])
    return keys


def start_pytorch(command, report):
    """None, and a failed part that says why, where PyTorch cannot be had."""
    program = Program(command)
    try:
        versions = program.ask("info")
    except JobError as error:
        reason = str(error)
        report.run("PyTorch", lambda part: part.fail(reason))
        return None
    report.environment.update({"PyTorch's device": versions["device"]})
    return program


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--plugin", required=True)
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--out")
    target.add_argument("--dry", action="store_true")
    arguments = parser.parse_args()
    sizes = measure.TINY if arguments.dry else measure.Sizes()
    ends = time.monotonic() + BUDGET_S

    native_command = [os.path.join(arguments.build, "bench", "gpu", "margincore_gpu_bench")]
    pytorch_command = [sys.executable, os.path.join(HERE, "pytorch_worker.py"), "cpu" if arguments.dry else "cuda"]
    backend = {"backend": "cuda"}

    def start(command):
        return Program(command, {"MARGINCORE_CUDA_LIBRARY": arguments.plugin})

    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        native = stack.enter_context(start(native_command))
        info = native.ask("info", **backend)
        if info["simulated"] and not arguments.dry:
            raise JobError("simulated: true. A simulated device says nothing about speed; `--dry` rehearses on it")
        report = Report("GPU benchmark", environment.describe(info), DRY if arguments.dry else "")
        data = write_data(folder, sizes.copies)
        pytorch = start_pytorch(pytorch_command, report)
        if pytorch:
            stack.enter_context(pytorch)
        print("\n".join(f"{key}: {value}" for key, value in report.environment.items()))

        def timed(name, work):
            if time.monotonic() > ends:
                work = lambda part: part.fail(f"not run: the {BUDGET_S} s were used up")  # noqa: E731
            report.run(name, work)

        # Alone on the card, before the other processes hold memory: the workers started above have made no tensor yet.
        commands = native_command, pytorch_command if pytorch else None
        timed("Bandwidth", lambda part: parts.bandwidth(part, native, sizes, backend))
        timed("Training", lambda part: parts.training(part, native, pytorch, sizes, data, backend))
        for program in (native, pytorch):
            if program:
                program.ask("close")
        timed("Head alone", lambda part: parts.head(part, native, pytorch, sizes, backend))
        timed("Convolutions", lambda part: parts.convolutions(part, native, pytorch, sizes, backend))
        timed("Memory", lambda part: parts.memory(part, *commands, start, sizes, data, backend))
    if arguments.dry:
        print(report.markdown())
    else:
        report.write(arguments.out, "bench")
    return report.finish()


run_command(main)
