"""Parts of the benchmark that are not whole training (trainings.py): each fills one part of the report, case by case
while there is time."""

from measure import (
    ARCFACE, COPY_TARGET, COPY_TARGETS, HEAD_VARIANTS, OPERATIONS, OURS, PASSES, PRECISIONS, Rounds, contenders, median,
    shown, speed, verdict,
)  # fmt: skip


def head(part, ends, native, pytorch, sizes, backend):
    part.values["rounds"] = {}
    tables = {classes: [] for classes in sizes.classes}
    for classes, precision in part.in_time([(c, p) for c in sizes.classes for p in PRECISIONS], ends):
        keys = {"precision": precision, "numClasses": classes, **sizes.head}
        rounds = Rounds(contenders(native, pytorch, HEAD_VARIANTS, {**ARCFACE, **backend}), sizes.rounds).run(
            "head", keys
        )
        what = f"{classes} classes, {precision}"
        rounds.report_failures(part, what)
        part.values["rounds"][what] = {"answers": rounds.answers, "reasons": rounds.reasons}
        row = [precision]
        for contender in rounds.contenders:
            row.append(shown(rounds.values(contender.name, lambda a: 1e3 * a["seconds"]), "{:.3f} ms".format))
            if contender.name != OURS:
                row.append(shown(rounds.ratios(OURS, contender.name, speed), "{:.2f}×".format))
        tables[classes].append(row)
    header = ["precision", OURS]
    for name in HEAD_VARIANTS if pytorch else ():
        header += [f"PyTorch {name}", "margincore is"]
    for classes, rows in tables.items():
        title = f"ArcFace, {sizes.head['batch']} samples × {sizes.head['embedding']}, {classes:,} classes"
        part.table(title, header, rows)


def convolutions(part, ends, native, pytorch, sizes, backend):
    rows, part.values["answers"] = [], {}
    cases = [(stage, one, precision) for precision in PRECISIONS for stage in sizes.stages for one in PASSES]
    for (channels, size), convolution_pass, precision in part.in_time(cases, ends):
        keys = {
            "batch": sizes.convolution_batch, "size": size, "channels": channels, "outChannels": channels,
            "kernel": 3, "stride": 1, "padding": 1, "pass": convolution_pass, "precision": precision,
        }  # fmt: skip
        rounds = Rounds(contenders(native, pytorch, ("eager",), backend), 1).run("convolution", keys)
        what = f"{channels} channels, {size}×{size}, {convolution_pass}, {precision}"
        rounds.report_failures(part, what)
        part.values["answers"][what] = {"answers": rounds.answers, "reasons": rounds.reasons}
        micro = lambda a: 1e6 * a["seconds"]  # noqa: E731
        rows.append([
            f"{channels} × {size}×{size}", convolution_pass, precision,
            shown(rounds.values(OURS, micro), "{:.1f}".format),
            shown(rounds.values(OURS, lambda a: a["flops"] / a["seconds"] / 1e12), "{:.1f}".format),
            shown(rounds.values("PyTorch eager", micro) if pytorch else [], "{:.1f}".format),
            shown(rounds.ratios(OURS, "PyTorch eager", speed) if pytorch else [], "{:.2f}×".format),
        ])  # fmt: skip
    header = ["3×3", "pass", "precision", "margincore, µs", "TFLOP/s", "PyTorch (CUDA graph), µs", "margincore is"]
    part.table(f"batch {sizes.convolution_batch}", header, rows)


def bandwidth(part, ends, native, sizes, backend):
    """Copies before and after tell whether the card kept its pace."""
    ask = lambda name: native.ask("bandwidth", operation=name, divisor=sizes.divisor, **backend)  # noqa: E731
    of = lambda answer: answer["bytes"] / answer["seconds"] / 1e9  # noqa: E731
    answers, rows = {}, []
    copies = [of(ask("copy"))]
    for name in part.in_time(OPERATIONS, ends):
        with part.case(name):
            answers[name] = ask(name)
            part.ok()
    copies.append(of(ask("copy")))
    copy = median(copies)
    part.notes.append(f"Copy of device memory: {copies[0]:,.0f} GB/s before, {copies[1]:,.0f} GB/s after.")
    for name, answer in answers.items():
        target = COPY_TARGET if name in COPY_TARGETS else None
        share = of(answer) / copy
        rows.append([
            name, f"{answer['bytes'] / 1e6:,.0f}", f"{1e6 * answer['seconds']:,.1f}", f"{of(answer):,.0f}", f"{share:.0%}",
            "" if target is None else verdict([share], target),
        ])  # fmt: skip
    part.values.update(answers=answers, copies=copies)
    header = ["operation", "MB, at least", "µs", "GB/s", "of the copy", f"target {COPY_TARGET:.0%}"]
    part.table("Operands larger than the card's cache, in fp32 unless the name says bf16", header, rows)
