"""The parts of the benchmark: each fills one part of the report."""

from measure import (
    ARCFACE, COPY_TARGET, COPY_TARGETS, OPERATIONS, PASSES, PRECISIONS, TARGETS, Contender, Rounds, median, per_second,
    speed, verdict,
)  # fmt: skip
from program import JobError

import environment

OURS = "margincore"


def contenders(native, pytorch, variants, native_keys):
    ours = [Contender(OURS, native, native_keys)]
    return ours + [Contender(f"PyTorch {name}", pytorch, {"variant": name}) for name in variants if pytorch]


def shown(values, form):
    value = median(values)
    return "–" if value is None else form(value)


def training(part, native, pytorch, sizes, data, backend):
    rows, part.values["rounds"] = [], {}
    for batch in sizes.batches:
        for precision in PRECISIONS:
            keys = {
                "batch": batch, "precision": precision, "embedding": sizes.embedding, "epochs": sizes.epochs,
                "learningRate": 1e-3, **data,
            }  # fmt: skip
            ours = {**ARCFACE, **backend, "numClasses": 10, "seed": 1, "optimizer": "adam"}
            rounds = Rounds(contenders(native, pytorch, TARGETS, ours), sizes.rounds).run("training", keys, warm_up=1)
            what = f"batch {batch}, {precision}"
            rounds.report_failures(part, what)
            part.values["rounds"][what] = {"answers": rounds.answers, "reasons": rounds.reasons}
            row = [what, shown(rounds.values(OURS, per_second), "{:,.0f}".format)]
            for name, target in TARGETS.items():
                theirs = f"PyTorch {name}"
                if not pytorch:
                    row += ["–", "not measured"]
                    continue
                row += [shown(rounds.values(theirs, per_second), "{:,.0f}".format)]
                row += [verdict(rounds.ratios(OURS, theirs, per_second), target)]
            rows.append(row)
    header = ["seed CNN + ArcFace", "margincore, images/s"]
    for name, target in TARGETS.items():
        header += [f"PyTorch {name}, images/s", f"times as fast, target {target:g}"]
    part.table("", header, rows)


def memory(part, native_command, pytorch_command, start, sizes, data, backend):
    """Each in a process of its own, alone on the card; the card's memory in use as the driver says."""
    rows = []
    for batch in sizes.batches:
        keys = {
            "batch": batch, "precision": "fp32", "embedding": sizes.embedding, "epochs": 1, "learningRate": 1e-3, **data,
        }  # fmt: skip
        ours = {**ARCFACE, **backend, "numClasses": 10, "seed": 1, "optimizer": "adam"}
        cases = [(OURS, native_command, ours)]
        cases += [(f"PyTorch {name}", pytorch_command, {"variant": name}) for name in TARGETS if pytorch_command]
        for name, command, own in cases:
            before = used_memory()
            try:
                with start(command) as program:
                    answer = program.ask("training", **keys, **own)
                    after = used_memory()
            except JobError as error:
                part.fail(f"batch {batch}, {name}: {error}")
                continue
            part.ok()
            taken = None if before is None or after is None else after - before
            tensors = answer.get("tensorBytes")
            rows.append([
                f"batch {batch}", name,
                "–" if tensors is None else f"{tensors / 2**20:,.0f}",
                "not known: nvidia-smi does not say" if taken is None else f"{taken:,}",
            ])  # fmt: skip
    part.table("", ["seed CNN + ArcFace, fp32", "", "tensors at most, MiB", "card's memory in use, MiB"], rows)


def used_memory():
    text = environment.command_output("nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits")
    lines = text.splitlines()
    return int(lines[0]) if len(lines) == 1 and lines[0].strip().isdigit() else None


def head(part, native, pytorch, sizes, backend):
    rows, part.values["rounds"] = [], {}
    for precision in PRECISIONS:
        keys = {"precision": precision, **sizes.head}
        rounds = Rounds(contenders(native, pytorch, TARGETS, {**ARCFACE, **backend}), min(sizes.rounds, 3)).run("head", keys)
        rounds.report_failures(part, precision)
        part.values["rounds"][precision] = {"answers": rounds.answers, "reasons": rounds.reasons}
        row = [precision]
        for contender in rounds.contenders:
            row.append(shown(rounds.values(contender.name, lambda a: 1e3 * a["seconds"]), "{:.3f} ms".format))
            if contender.name != OURS:
                row.append(shown(rounds.ratios(OURS, contender.name, speed), "{:.2f}×".format))
        rows.append(row)
    header = ["precision", OURS]
    for name in TARGETS if pytorch else ():
        header += [f"PyTorch {name}", "margincore is"]
    size = sizes.head
    part.table(f"ArcFace, {size['batch']} samples × {size['embedding']}, {size['numClasses']:,} classes", header, rows)


def convolutions(part, native, pytorch, sizes, backend):
    rows, part.values["answers"] = [], {}
    for channels, size in sizes.stages:
        for convolution_pass in PASSES:
            for precision in PRECISIONS:
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


def bandwidth(part, native, sizes, backend):
    """Copies before and after tell whether the card kept its pace."""
    ask = lambda name: native.ask("bandwidth", operation=name, divisor=sizes.divisor, **backend)  # noqa: E731
    of = lambda answer: answer["bytes"] / answer["seconds"] / 1e9  # noqa: E731
    answers, rows = {}, []
    copies = [of(ask("copy"))]
    for name in OPERATIONS:
        try:
            answers[name] = ask(name)
            part.ok()
        except JobError as error:
            part.fail(f"{name}: {error}")
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
    part.table("Operands larger than the card's cache, in fp32", header, rows)
