"""scripts/gpu-check bench: the native core beside PyTorch on the same card, in the same run; ../README.md explains."""

import argparse
import contextlib
import math
import os
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "test", "gpu"))

import environment  # noqa: E402, of test/gpu/
from program import JobError, Program  # noqa: E402
from report import Report, run_command  # noqa: E402

import measure  # noqa: E402
import parts  # noqa: E402
import trainings  # noqa: E402
from measure import VARIANTS  # noqa: E402

BUDGET_S = 380  # unless --seconds says otherwise; after the build; a case that would begin later is not reached
PARTS = ("compilation", "bandwidth", "seed-cnn", "resnet18", "resnet50", "head", "convolutions", "memory")
DRY = "DRY RUN at tiny sizes, PyTorch on the CPU: a check of the benchmark's own code. The numbers mean nothing."


def start_pytorch(program, report):
    """None, and a failed part that says why, where PyTorch cannot be had."""
    try:
        report.describe({"PyTorch's device": program.ask("info")["device"]})
        return program
    except JobError as error:
        reason = str(error)
        report.run("PyTorch", lambda part: part.fail(reason))
        return None


def bench(report, arguments):
    sizes = measure.TINY if arguments.dry else measure.Sizes()
    ends = math.inf if arguments.dry else time.monotonic() + arguments.seconds
    report.mark = DRY if arguments.dry else ""
    report.describe(environment.of_machine())
    native_command = [os.path.join(arguments.build, "bench", "gpu", "margincore_gpu_bench")]
    pytorch_command = [sys.executable, os.path.join(HERE, "pytorch_worker.py"), "cpu" if arguments.dry else "cuda"]
    backend = {"backend": "cuda"}

    def start(command):
        return Program(command, {"MARGINCORE_CUDA_LIBRARY": arguments.plugin})

    with tempfile.TemporaryDirectory() as folder, start(native_command) as native, start(pytorch_command) as worker:
        info = native.ask("info", **backend)
        report.describe(environment.of_device(info))
        if info["simulated"] and not arguments.dry:
            raise JobError("simulated: true. A simulated device says nothing about speed; `--dry` rehearses on it")
        pytorch = start_pytorch(worker, report)
        names, variants, data = arguments.only.split(","), arguments.variants.split(","), {}
        seed_cnn, resnet18 = (trainings.SEED_CNN, sizes.batches), (trainings.RESNET18, sizes.resnet18)
        resnet50 = (trainings.RESNET50, sizes.resnet50)

        def timed(name, work, *operands):
            report.run(name, lambda part: work(part, ends, *operands))

        def data_of(work):
            if work.model not in data:
                data[work.model] = trainings.write_data(folder, work, arguments.dry)
            return data[work.model]

        def compilation():
            """Of the networks whose parts follow."""
            networks = {"seed-cnn": seed_cnn, "resnet18": resnet18, "resnet50": resnet50}
            works = [(*networks[name], data_of(networks[name][0])) for name in networks if name in names]
            if pytorch and works and "compiled" in variants:
                timed("torch.compile's cache", trainings.fill_compilers_cache, lambda: start(pytorch_command), works)

        def trained(work, batches):
            timed(work.model, trainings.training, native, pytorch, variants, work, batches, sizes, data_of(work))
            for program in (native, pytorch):
                if program:
                    with contextlib.suppress(JobError):  # then its process is replaced
                        program.ask("close")

        def memory():
            commands = (native_command, pytorch_command if pytorch else None)
            timed("Memory", trainings.memory, *commands, start, *seed_cnn, sizes, data_of(trainings.SEED_CNN))

        chosen = {
            "compilation": compilation,
            "bandwidth": lambda: timed("Bandwidth", parts.bandwidth, native, sizes, backend),
            "seed-cnn": lambda: trained(*seed_cnn),
            "resnet18": lambda: trained(*resnet18),
            "resnet50": lambda: trained(*resnet50),
            "head": lambda: timed("Head alone", parts.head, native, pytorch, sizes, backend),
            "convolutions": lambda: timed("Convolutions", parts.convolutions, native, pytorch, sizes, backend),
            "memory": memory,
        }
        for name in names:
            chosen[name]()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--plugin", required=True)
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--out")
    target.add_argument("--dry", action="store_true")
    parser.add_argument("--seconds", type=float, default=BUDGET_S, help=f"how long to begin new work ({BUDGET_S})")
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {','.join(PARTS)}")
    parser.add_argument("--variants", default=",".join(VARIANTS), help=f"of PyTorch's training: {','.join(VARIANTS)}")
    arguments = parser.parse_args()
    for option, known in (("only", PARTS), ("variants", VARIANTS)):
        unknown = set(getattr(arguments, option).split(",")) - set(known)
        if unknown:
            parser.error(f"--{option}: {', '.join(sorted(unknown))} is none of {', '.join(known)}")
    run_command(Report("GPU benchmark", "bench", arguments.out), lambda report: bench(report, arguments))


main()
