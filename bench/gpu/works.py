"""Which networks are trained, and on which data."""

import os
from dataclasses import dataclass, field

import numpy as np

import sample  # of test/gpu/

from measure import ARCFACE, BACKEND
from shapes import path


@dataclass(frozen=True)
class Work:
    """A network with ArcFace, for images of one size."""

    model: str  # its name on PyTorch's side
    size: tuple  # of an image: H, W, C
    count: int  # images
    epochs: int = 1  # timed at once
    weight: int = 1  # its share of what is compiled and lies on the card at a time: trainings.AT_A_TIME
    variants: tuple = ("compiled", "graph")  # of PyTorch: pytorch_variants.py
    ours: dict = field(default_factory=dict, hash=False)  # keys that describe it on our side


SEED_CNN = Work("seed-cnn", (28, 28, 1), 60_000, ours={"embedding": 1024})


def of_file(name, size, count, **options):
    return Work(name, (size, size, 3), count, ours={"network": path(name)}, **options)


RESNET18, RESNET50 = of_file("resnet18-64", 64, 12_800), of_file("resnet50-64", 64, 12_800)
DENSENET = of_file("densenet121-64", 64, 6_400)
LARGE = of_file("resnet50-224", 224, 2_560, weight=4, variants=("compiled",))
WORKS = (SEED_CNN, RESNET18, RESNET50, DENSENET, LARGE)


@dataclass(frozen=True)
class Case:
    work: Work
    batch: int
    precision: str

    def name(self):
        return f"{self.work.model}, batch {self.batch}, {self.precision}"


def cases_of(works, batches, precisions):
    return tuple(Case(work, batch, precision) for work in works for batch in batches for precision in precisions)


# In the order of what they decide: the time may end before the last.
SEED_CASES = cases_of([SEED_CNN], (128, 1024, 20), ("bf16", "tf32", "fp32"))
RESNET_CASES = cases_of([RESNET18, RESNET50, LARGE, DENSENET], (128, 512), ("bf16", "tf32"))
START_CASES = (Case(SEED_CNN, 128, "fp32"), Case(RESNET18, 128, "bf16"))
MEMORY_CASES = (
    *(Case(work, batch, "bf16") for batch in (128, 512) for work in (RESNET18, RESNET50)),
    Case(SEED_CNN, 128, "fp32"), Case(SEED_CNN, 1024, "fp32"), Case(DENSENET, 128, "bf16"), Case(LARGE, 128, "bf16"),
)  # fmt: skip


class Data:
    """Files in a folder, each written when it is first asked for."""

    def __init__(self, folder):
        self.folder, self.keys = folder, {}

    def of(self, work, count):
        """The bundled sample, over and over; centred on a larger image, the same in every channel."""
        if (work, count) not in self.keys:
            self.keys[work, count] = self.write(work, count)
        return self.keys[work, count]

    def write(self, work, count):
        images, labels = sample.read("train")
        mean, std = sample.mean_and_std(images)
        height, width, channels = work.size
        rows = np.arange(count) % len(images)
        top, left = (height - 28) // 2, (width - 28) // 2
        drawn = np.zeros((count, *work.size), np.uint8)
        drawn[:, top : top + 28, left : left + 28] = images[rows][..., None]
        keys = {"mean": [mean] * channels, "std": [std] * channels}
        for name, array in (("images", drawn), ("labels", labels[rows])):
            keys[name] = os.path.join(self.folder, f"{work.model}-{count}-{name}.raw")
            array.tofile(keys[name])
        return keys


def jobs_of(case, data, epochs):
    """Keys of a job of either side, and those of each side alone."""
    work = case.work
    both = {"batch": case.batch, "precision": case.precision, "epochs": epochs, "learningRate": 1e-3, **data}
    ours = {**ARCFACE, **BACKEND, **work.ours, "numClasses": 10, "seed": 1, "optimizer": "adam"}
    return both, ours, {"model": work.model, "size": list(work.size)}
