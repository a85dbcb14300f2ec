"""scripts/gpu-check bench: the native core beside PyTorch on the same card, in the same run; ../README.md explains."""

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass, field, replace

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "test", "gpu"))

import environment  # noqa: E402, of test/gpu/
from budget import SECONDS, Budget  # noqa: E402
from program import JobError  # noqa: E402
from report import read  # noqa: E402
from run import Run, run_command  # noqa: E402

import bandwidth  # noqa: E402
import convolutions  # noqa: E402
import footprint  # noqa: E402
import head  # noqa: E402
import trainings  # noqa: E402
import works  # noqa: E402
from sides import Sides  # noqa: E402

VARIANTS = ("eager", "compiled", "graph")
DRY = "DRY RUN at tiny sizes, PyTorch on the CPU: a check of the benchmark's own code. The numbers mean nothing."


@dataclass
class Sizes:
    seed: tuple = works.SEED_CASES
    resnet: tuple = works.RESNET_CASES
    start: tuple = works.START_CASES
    memory: tuple = works.MEMORY_CASES
    rounds: int = 3
    head: dict = field(default_factory=lambda: {"batch": 128, "embedding": 512})
    classes: tuple = (100_000, 1_000_000)
    precisions: tuple = ("bf16", "tf32", "fp32")  # of the head
    step: int = 1  # of the convolutions that are measured
    divisor: int = 1  # of bandwidth's operands
    dry: bool = False

    def images(self, case):
        """Two steps where dry."""
        return 2 * case.batch if self.dry else case.work.count


def tiny():
    seed = works.cases_of([works.SEED_CNN], (4,), ("bf16", "fp32"))
    # The simulated device takes minutes for a ResNet: of those only the parameters are compared.
    resnet = works.cases_of([replace(works.SEED_CNN, variants=("graph",))], (4,), ("bf16", "tf32"))
    return Sizes(
        seed=seed, resnet=resnet, start=seed[:1], memory=seed[:1], rounds=2, head={"batch": 4, "embedding": 16},
        classes=(64,), precisions=("bf16", "fp32"), step=28, divisor=8192, dry=True,
    )  # fmt: skip


def seed_or_resnet(title, cases_of):
    def run(report, sides, sizes, variants, data):
        cases = cases_of(sizes)
        report.run(title, lambda part: trainings.measure(part, sides, sizes, cases, variants, data), sides.clocks)

    return run


def memory(report, sides, sizes, _, data):
    report.run(
        "Process start to first step",
        lambda part: footprint.measure_start(part, sides, sizes, sizes.start, data),
        sides.clocks,
    )
    report.run("Memory", lambda part: footprint.measure_memory(part, sides, sizes, sizes.memory, data), sides.clocks)


PARTS = {
    "convolutions": lambda report, sides, sizes, *_: convolutions.run(report, sides, sizes),
    "resnet": seed_or_resnet("Networks", lambda sizes: sizes.resnet),
    "seed": seed_or_resnet("Seed CNN", lambda sizes: sizes.seed),
    "head": lambda report, sides, sizes, *_: head.run(report, sides, sizes),
    "bandwidth": lambda report, sides, sizes, *_: bandwidth.run(report, sides, sizes),
    "memory": memory,
}


def bench(run, arguments, sizes, budget_of):
    """budget_of(name): a part's."""
    run.mark = DRY if sizes.dry else ""
    run.describe(environment.of_machine())
    with Sides(arguments.build, arguments.plugin, Budget(), sizes.dry) as sides:
        info = sides.native.ask("info", backend="cuda")
    run.on_device(info, arguments.build)
    if info["simulated"] and not sizes.dry:
        raise JobError("simulated: true. A simulated device says nothing about speed; `--dry` rehearses on it")
    for name in arguments.parts:
        with Sides(arguments.build, arguments.plugin, budget_of(name), sizes.dry) as sides:
            options = (sides, sizes, arguments.variants.split(","), works.Data(sides.folder))
            run.report(f"bench-{name}", f"GPU benchmark: {name}", lambda report: PARTS[name](report, *options))


def rehearse(run, arguments):
    """At tiny sizes: every part is cut short behind its first case, and gone on with."""
    sizes = tiny()
    bench(run, arguments, sizes, lambda name: Budget(cases=1))
    first = {report.name: read(report.path("json")) for report in run.reports}
    run.reports.clear()  # they have failed, as they should: not all was reached
    bench(run, arguments, sizes, lambda name: Budget())
    second = {report.name: read(report.path("json")) for report in run.reports}

    def goes_on(part):
        for name, report in first.items():
            for before, after in zip(report["parts"], second[name]["parts"]):
                kept = before["cases"].items() <= after["cases"].items()
                more = len(after["cases"]) > len(before["cases"]) or before["finished"]
                right = kept and more and after["finished"]
                part.ok() if right else part.fail(f"{name}, {before['name']} was not gone on with")

    def same_networks(part):
        with Sides(arguments.build, arguments.plugin, Budget(), True) as sides:
            pytorch = sides.pytorch(part)
            for work in works.WORKS:
                with part.case(work.model):
                    _, ours, theirs = works.jobs_of(works.Case(work, 2, "fp32"), {}, 1)
                    counts = [
                        program.ask("parameters", batch=2, precision="fp32", **keys)["parameters"]
                        for program, keys in ((sides.native, ours), (pytorch, theirs))
                    ]
                    part.ok() if counts[0] == counts[1] else part.fail(f"{work.model}: parameters: {counts}")

    def checks(report):
        report.run("goes on", goes_on)
        report.run("same networks", same_networks)

    run.report("rehearsal", "GPU benchmark: rehearsal", checks)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--plugin", required=True)
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--out")
    target.add_argument("--dry", action="store_true")
    parser.add_argument("--again", action="store_true", help="also what was finished before")
    parser.add_argument("--seconds", type=float, help="how long each part begins new work; its own time without")
    parser.add_argument("--variants", default="compiled,graph", help=f"of {','.join(VARIANTS)}")
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=f"of {', '.join(PARTS)}; all without any")
    arguments = parser.parse_args()
    for what, chosen, known in (("part", arguments.parts, PARTS), ("variant", arguments.variants.split(","), VARIANTS)):
        unknown = set(chosen) - set(known)
        if unknown:
            parser.error(f"{what} {', '.join(sorted(unknown))} is none of {', '.join(known)}")
    if arguments.dry:
        with tempfile.TemporaryDirectory() as folder:
            run_command(Run(folder), lambda run: rehearse(run, arguments))
    run_command(
        Run(arguments.out, arguments.again),
        lambda run: bench(run, arguments, Sizes(), lambda name: Budget(arguments.seconds or SECONDS[name])),
    )


main()
