"""Each convolution of ResNet-18 and ResNet-50 for 64×64 and the 7×7 stem, each pass alone and both backward passes at once,
from CUDA graphs on both sides; and what they come to in a step."""

from measure import BACKEND, OURS, Rounds, contenders, median, shown, speed, theirs_of
from shapes import Convolution, convolutions

NETWORKS = ("resnet18-64", "resnet50-64")
STEM = Convolution(size=224, channels=3, outChannels=64, kernel=7, stride=2, padding=3)
# In the order of what they decide: the time may end before the last.
SETTINGS = ((128, "bf16"), (512, "bf16"), (128, "tf32"), (512, "tf32"), (128, "fp32"))
THEIRS = theirs_of("cudnn.benchmark")
TARGET_S = 0.005  # of one repetition's graph
ROUNDS = 2  # each is itself a median of seven


def measure(part, sides, sizes):
    shapes = list(dict.fromkeys([*(one for network in NETWORKS for one in convolutions(network)), STEM]))[:: sizes.step]
    settings = SETTINGS if not sizes.dry else ((2, "bf16"),)
    cases = {case_name(one, *setting): (one, *setting) for setting in settings for one in shapes}
    pytorch = sides.pytorch(part)
    sides.warm(part)
    for name in part.in_time(part.lacking(cases), sides.budget):
        one, batch, precision = cases[name]
        keys = {**vars(one), "batch": batch, "precision": precision, "target": TARGET_S}
        both = contenders(sides.native, pytorch, ("cudnn.benchmark",), BACKEND)
        with part.case(name):
            passes = {each: Rounds().run(both, ROUNDS, "convolution", {**keys, "pass": each}) for each in one.passes()}
            reasons = [
                f"{name}, {each}, {side}: {why}" for each in passes for side, why in passes[each].reasons.items()
            ]
            found = {each: vars(rounds) for each, rounds in passes.items()}
            part.keep(name, found, len(both) * len(passes) - len(reasons), reasons)
    kept = {
        name: {each: Rounds(**rounds) for each, rounds in case["value"].items()} for name, case in part.cases.items()
    }
    part.table("Convolutions of a step, all passes, ms", ["", OURS, THEIRS, "times as fast"], sums(kept, settings))
    for batch, precision in settings:
        names = {case_name(one, batch, precision): one for one in shapes}
        rows = [
            row(one.name(), each, kept[name][each])
            for name, one in names.items()
            if name in kept
            for each in kept[name]
        ]
        header = ["", "pass", f"{OURS}, µs", "TFLOP/s", f"{THEIRS}, µs", "times as fast"]
        part.table(f"batch {batch}, {precision}", header, rows)


def case_name(one, batch, precision):
    return f"{one.name()}, batch {batch}, {precision}"


def microseconds(answer):
    return 1e6 * answer["seconds"]


def row(name, convolution_pass, rounds):
    return [
        name, convolution_pass,
        shown(rounds.values(OURS, microseconds), "{:.1f}".format),
        shown(rounds.values(OURS, lambda a: a["flops"] / a["seconds"] / 1e12)[:1], "{:.0f}".format),
        shown(rounds.values(THEIRS, microseconds), "{:.1f}".format),
        shown(rounds.ratios(OURS, THEIRS, speed), "{:.2f}".format),
    ]  # fmt: skip


def sums(kept, settings):
    """Of each network all of whose convolutions were measured on both sides, by how often a step has each."""
    rows = []
    for network in NETWORKS:
        counts = convolutions(network)
        for batch, precision in settings:
            passes = [
                (count, kept.get(case_name(one, batch, precision), {}).get(each, Rounds()))
                for one, count in counts.items()
                for each in one.of_a_step()
            ]
            if all(rounds.values(name, microseconds) for _, rounds in passes for name in (OURS, THEIRS)):
                ours, theirs = (
                    sum(count * median(rounds.values(name, microseconds)) for count, rounds in passes) / 1e3
                    for name in (OURS, THEIRS)
                )
                what = f"{network}, batch {batch}, {precision}"
                rows.append([what, f"{ours:.3f}", f"{theirs:.3f}", f"{theirs / ours:.2f}"])
    return rows


def run(report, sides, sizes):
    report.run("Convolutions", lambda part: measure(part, sides, sizes), sides.clocks)
