"""The head alone, forward and backward, on given features."""

import contextlib

from measure import ARCFACE, BACKEND, OURS, Rounds, contenders, kept, median, shown, speed, theirs_of
from program import JobError

VARIANTS = ("eager", "compiled")


def measure(part, sides, sizes):
    cases = {f"{c:,} classes, {precision}": (c, precision) for c in sizes.classes for precision in sizes.precisions}
    pytorch = sides.pytorch(part)
    sides.warm(part)
    for name in part.in_time(part.lacking(cases), sides.budget):
        classes, precision = cases[name]
        keys = {"precision": precision, "numClasses": classes, **sizes.head}
        both = contenders(sides.native, pytorch, VARIANTS, {**ARCFACE, **BACKEND})
        with part.case(name):
            Rounds().run(both, sizes.rounds, "head", keys).keep(part, name)
        if pytorch:
            with contextlib.suppress(JobError):  # then its process is replaced
                pytorch.ask("close")
    rows = []
    for name, rounds in kept(part).items():
        row = [name, shown(rounds.values(OURS, milliseconds), "{:.3f}".format)]
        for variant in map(theirs_of, VARIANTS):
            row.append(shown(rounds.values(variant, milliseconds), "{:.3f}".format))
            row.append(shown(rounds.ratios(OURS, variant, speed), "{:.2f}".format))
        rows.append(row)
        ratio = median(rounds.ratios(OURS, theirs_of("compiled"), speed))
        if ratio:
            part.figures[name] = ratio
    header = ["", f"{OURS}, ms"]
    for variant in map(theirs_of, VARIANTS):
        header += [f"{variant}, ms", "times as fast"]
    part.table(f"ArcFace, {sizes.head['batch']} samples × {sizes.head['embedding']}", header, rows)


def milliseconds(answer):
    return 1e3 * answer["seconds"]


def run(report, sides, sizes):
    report.run("Head alone", lambda part: measure(part, sides, sizes), sides.clocks)
