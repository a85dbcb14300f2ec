"""The parts of the benchmark: each fills one part of the report, case by case while there is time."""

from measure import (
    ARCFACE, COPY_TARGET, COPY_TARGETS, OPERATIONS, PASSES, PRECISIONS, TARGETS, VARIANTS, Contender, Rounds, median,
    per_second, speed, verdict,
)  # fmt: skip
from program import JobError

OURS = "margincore"


def contenders(native, pytorch, variants, native_keys):
    ours = [Contender(OURS, native, native_keys)]
    return ours + [Contender(f"PyTorch {name}", pytorch, {"variant": name}) for name in variants if pytorch]


def shown(values, form):
    value = median(values)
    return "–" if value is None else form(value)


def training(part, ends, native, pytorch, sizes, data, backend):
    rows, part.values["rounds"] = [], {}
    theirs = [f"PyTorch {name}" for name in VARIANTS]
    for batch, precision in part.in_time([(b, p) for b in sizes.batches for p in PRECISIONS], ends):
        keys = {
            "batch": batch, "precision": precision, "embedding": sizes.embedding, "epochs": sizes.epochs,
            "learningRate": 1e-3, **data,
        }  # fmt: skip
        ours = {**ARCFACE, **backend, "numClasses": 10, "seed": 1, "optimizer": "adam"}
        rounds = Rounds(contenders(native, pytorch, VARIANTS, ours), sizes.rounds).run("training", keys, warm_up=True)
        what = f"batch {batch}, {precision}"
        rounds.report_failures(part, what)
        part.values["rounds"][what] = {"answers": rounds.answers, "reasons": rounds.reasons}
        row = [what, shown(rounds.values(OURS, per_second), "{:,.0f}".format)]
        if not pytorch:
            rows.append([*row, *["not measured"] * (2 * len(VARIANTS) + 1)])
            continue
        for name, target in zip(theirs, map(TARGETS.get, VARIANTS)):
            row += [shown(rounds.values(name, per_second), "{:,.0f}".format)]
            row += [verdict(rounds.ratios(OURS, name, per_second), target)]
        best = rounds.best(theirs, per_second)
        row += [f"{verdict(rounds.ratios(OURS, best, per_second), None)} ({best})" if best else "not measured"]
        rows.append(row)
    header = ["seed CNN + ArcFace", "margincore, images/s"]
    for name in VARIANTS:
        target = f", target {TARGETS[name]:g}" if name in TARGETS else ""
        header += [f"PyTorch {name}, images/s", f"times as fast{target}"]
    part.table("", [*header, "times as fast as the best of PyTorch"], rows)


def memory(part, ends, native_command, pytorch_command, start, sizes, data, backend):
    """Each in a process of its own. By how much the card's memory in use grows, as the driver tells either process."""
    rows = []
    ours = {**ARCFACE, **backend, "numClasses": 10, "seed": 1, "optimizer": "adam"}
    sides = [(OURS, native_command, ours)]
    sides += [(f"PyTorch {name}", pytorch_command, {"variant": name}) for name in VARIANTS if pytorch_command]
    for batch, (name, command, own) in part.in_time([(b, side) for b in sizes.batches for side in sides], ends):
        keys = {
            "batch": batch, "precision": "fp32", "embedding": sizes.embedding, "epochs": 1, "learningRate": 1e-3, **data,
        }  # fmt: skip
        with part.case(f"batch {batch}, {name}"), start(command) as program:
            answer = program.ask("memory", **keys, **own)
            if "cardBytes" not in answer and not sizes.dry:
                raise JobError("the driver does not say how much memory is in use")
            counts = [answer.get(key) for key in ("cardBytes", "allocatedBytes", "reservedBytes")]
            rows.append([f"batch {batch}", name, *("–" if count is None else f"{count / 2**20:,.0f}" for count in counts)])
            part.ok()
    header = ["seed CNN + ArcFace, fp32", "", "card's memory in use, MiB"]
    header += [f"PyTorch's own count: {name}, MiB" for name in ("max_memory_allocated", "max_memory_reserved")]
    part.table("", header, rows)


def head(part, ends, native, pytorch, sizes, backend):
    part.values["rounds"] = {}
    tables = {classes: [] for classes in sizes.classes}
    for classes, precision in part.in_time([(c, p) for c in sizes.classes for p in PRECISIONS], ends):
        keys = {"precision": precision, "numClasses": classes, **sizes.head}
        rounds = Rounds(contenders(native, pytorch, TARGETS, {**ARCFACE, **backend}), min(sizes.rounds, 3)).run("head", keys)
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
    for name in TARGETS if pytorch else ():
        header += [f"PyTorch {name}", "margincore is"]
    for classes, rows in tables.items():
        title = f"ArcFace, {sizes.head['batch']} samples × {sizes.head['embedding']}, {classes:,} classes"
        part.table(title, header, rows)


def convolutions(part, ends, native, pytorch, sizes, backend):
    rows, part.values["answers"] = [], {}
    cases = [(stage, one, precision) for stage in sizes.stages for one in PASSES for precision in PRECISIONS]
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
