"""Whole training, side by side: which networks, on which data, and the tables of it."""

import os
from dataclasses import dataclass, field

import numpy as np

import sample  # of test/gpu/
from measure import ARCFACE, OURS, VARIANTS, Rounds, contenders, median, per_second, shown, verdict

NETWORKS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "test", "gpu", "networks")


AT_A_TIME = 4  # compilations; each has worker processes of its own


@dataclass
class Work:
    """A network with ArcFace, for images of one size."""

    model: str  # its name on PyTorch's side
    size: tuple  # of an image: H, W, C
    ours: dict  # keys that describe it on our side
    targets: dict = field(default_factory=dict)  # variant of PyTorch → how many times as fast to be
    precisions: tuple = ("fp32", "tf32", "bf16")
    count: int = 60_000  # images
    epochs: int = 2  # timed at once


SEED_CNN = Work("seed-cnn", (28, 28, 1), {"embedding": 1024}, {"eager": 4.0, "compiled": 1.3})


def of_file(name, size, count):
    keys = {"network": os.path.join(NETWORKS, f"{name}.tsv")}
    return Work(name, (size, size, 3), keys, {"compiled": 1.0}, ("bf16", "tf32"), count, epochs=1)


RESNET18, RESNET50 = of_file("resnet18-32", 32, 12_800), of_file("resnet50-64", 64, 6_400)


def write_data(folder, work, dry):
    """The bundled sample, over and over; centred on a larger image, the same in every channel. A part of it where dry."""
    images, labels = sample.read("train")
    mean, std = sample.mean_and_std(images)
    height, width, channels = work.size
    rows = np.arange(8 if dry else work.count) % len(images)
    margins = [(size - 28) // 2 for size in (height, width)]
    drawn = np.zeros((len(rows), *work.size), np.uint8)
    drawn[:, margins[0] : margins[0] + 28, margins[1] : margins[1] + 28] = images[rows][..., None]
    keys = {"mean": [mean] * channels, "std": [std] * channels}
    for name, array in (("images", drawn), ("labels", labels[rows])):
        keys[name] = os.path.join(folder, f"{work.model}-{name}.raw")
        array.tofile(keys[name])
    return keys


def keys_of(work, batch, precision, data, epochs):
    """Of a job of either side, and those of each side alone."""
    both = {"batch": batch, "precision": precision, "epochs": epochs, "learningRate": 1e-3, **data}
    ours = {**ARCFACE, **work.ours, "numClasses": 10, "seed": 1, "optimizer": "adam", "backend": "cuda"}
    return both, ours, {"model": work.model, "size": list(work.size)}


def check_parameters(part, rounds, what):
    """Both sides train the same number of parameters, or the comparison is none."""
    counts = {name: answers[0]["parameters"] for name, answers in rounds.answers.items() if answers}
    if len(set(counts.values())) > 1:
        part.fail(f"{what}: numbers of parameters differ: {counts}")


def training(part, ends, native, pytorch, variants, work, batches, sizes, data):
    rows, part.values["rounds"] = [], {}
    for batch, precision in part.in_time([(b, p) for b in batches for p in work.precisions], ends):
        both, ours, theirs = keys_of(work, batch, precision, data, work.epochs)
        sides = contenders(native, pytorch, variants, ours, theirs)
        rounds = Rounds(sides, sizes.rounds).run("training", both, warm_up=True)
        what = f"batch {batch}, {precision}"
        rounds.report_failures(part, what)
        check_parameters(part, rounds, what)
        part.values["rounds"][what] = {"answers": rounds.answers, "reasons": rounds.reasons}
        rows.append([what, *cells(rounds, variants, work.targets)])
        print(" | ".join(rows[-1]), flush=True)
    part.table(f"{work.model} + ArcFace", header(variants, work.targets), rows)


def header(variants, targets):
    titles = ["", f"{OURS}, images/s"]
    for variant in variants:
        target = f", target {targets[variant]:g}" if variant in targets else ""
        titles += [f"PyTorch {variant}, images/s", f"times as fast{target}"]
    return [*titles, "times as fast as the best of PyTorch"]


def cells(rounds, variants, targets):
    speed = lambda name: shown(rounds.values(name, per_second), "{:,.0f}".format)  # noqa: E731
    row, theirs = [speed(OURS)], [f"PyTorch {variant}" for variant in variants]
    for variant, name in zip(variants, theirs):
        row += [speed(name), verdict(rounds.ratios(OURS, name, per_second), targets.get(variant))]
    best = rounds.best(theirs, per_second)
    fastest = f"{median(rounds.ratios(OURS, best, per_second)):.2f} ({best})" if best else "not measured"
    return [*row, fastest]


def memory(part, ends, native_command, pytorch_command, start, work, batches, sizes, data):
    """Each in a process of its own. By how much the card's memory in use grows, as the driver tells either process."""
    rows = []
    sides = [(OURS, native_command)] + [(f"PyTorch {name}", pytorch_command) for name in VARIANTS if pytorch_command]
    for batch, (name, command) in part.in_time([(b, side) for b in batches for side in sides], ends):
        both, ours, theirs = keys_of(work, batch, "fp32", data, 1)
        own = ours if name == OURS else {**theirs, "variant": name.removeprefix("PyTorch ")}
        with part.case(f"batch {batch}, {name}"), start(command) as program:
            answer = program.ask("memory", **both, **own)
            if "cardBytes" not in answer and not sizes.dry:
                raise RuntimeError("the driver does not say how much memory is in use")
            counts = [answer.get(key) for key in ("cardBytes", "allocatedBytes", "reservedBytes")]
            rows.append(
                [f"batch {batch}", name, *("–" if count is None else f"{count / 2**20:,.0f}" for count in counts)]
            )
            part.ok()
    columns = [f"{work.model} + ArcFace, fp32", "", "card's memory in use, MiB"]
    columns += [f"PyTorch's own count: {name}, MiB" for name in ("max_memory_allocated", "max_memory_reserved")]
    part.table("", columns, rows)


def fill_compilers_cache(part, ends, start, works):
    """torch.compile takes a minute for each network, batch and precision, and keeps its results on the disk. Here several
    processes compile at a time what the parts behind will measure. works: (Work, batches, data)."""
    cases = [
        (work, batch, precision, data)
        for work, batches, data in works
        for batch in batches
        for precision in work.precisions
    ]
    while True:
        under_way = []
        for work, batch, precision, data in part.in_time(cases[:AT_A_TIME], ends):
            both, _, theirs = keys_of(work, batch, precision, data, 1)
            program = start()
            program.send("training", **both, **theirs, variant="compiled")
            under_way.append((f"{work.model}, batch {batch}, {precision}", program))
        for what, program in under_way:
            with part.case(what), program:
                program.receive("training")
                part.ok()
        cases = cases[AT_A_TIME:]
        if not cases:
            return
