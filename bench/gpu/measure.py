"""What is measured, and how: every contender in turn, round by round, ratios within a round, medians over rounds."""

import statistics
from dataclasses import dataclass, field

from program import JobError

OURS = "margincore"
ARCFACE = {"normalizeFeatures": 1, "normalizeWeights": 1, "scale": 30.0, "m2": 0.5}
VARIANTS = ("eager", "compiled", "graph")  # of PyTorch's training: pytorch_variants.py
HEAD_VARIANTS = ("eager", "compiled")
COPY_TARGET = 0.8  # of the copy bandwidth
COPY_TARGETS = ("margin_softmax", "margin_softmax_85742", "l2_scale_forward", "l2_scale_backward")
PRECISIONS = ("bf16", "tf32", "fp32")
PASSES = ("forward", "forward_bias", "backward_data", "backward_filter")
OPERATIONS = (
    "margin_softmax", "margin_softmax_85742", "l2_scale_forward", "l2_scale_backward", "row_norms", "remove_radial",
    "softmax", "scale_logits", "column_stats", "scaled_bn_backward", "convert_to_bf16", "convert_to_fp32",
    "relu_forward", "relu_forward_bf16", "relu_backward", "relu_backward_bf16", "dropout_forward", "max_pool_forward",
    "max_pool_forward_bf16", "max_pool_backward", "max_pool_backward_bf16", "gather_images", "sgd", "adam", "gradient_norm",
    *(name + suffix for suffix in ("", "_bf16") for name in (
        "batch_norm_stats", "batch_norm_apply", "batch_norm_backward", "prelu_forward", "prelu_backward", "concat_write",
        "average_pool_forward", "average_pool_backward")),
)  # fmt: skip


@dataclass
class Sizes:
    batches: tuple = (128, 1024)  # of the seed CNN
    resnet18: tuple = (128, 512)
    resnet50: tuple = (128,)
    rounds: int = 3
    head: dict = field(default_factory=lambda: {"batch": 128, "embedding": 512})
    classes: tuple = (100_000, 85_742)  # the second: identities of MS1M-v2, not a multiple of 4
    # ResNet-18's 3x3 convolutions on images of 32x32: channels, size
    stages: tuple = ((64, 32), (128, 16), (256, 8), (512, 4))
    convolution_batch: int = 128
    divisor: int = 1
    dry: bool = False


TINY = Sizes(
    batches=(8,), resnet18=(2,), resnet50=(), rounds=2, head={"batch": 4, "embedding": 16}, classes=(64, 42), stages=((4, 6),),
    convolution_batch=2, divisor=8192, dry=True,
)  # fmt: skip


@dataclass
class Contender:
    name: str
    program: object
    keys: dict


def contenders(native, pytorch, variants, ours, theirs=None):
    """Keys: of our side, and of all of PyTorch's."""
    return [Contender(OURS, native, ours)] + [
        Contender(f"PyTorch {name}", pytorch, {**(theirs or {}), "variant": name}) for name in variants if pytorch
    ]


def shown(values, form):
    value = median(values)
    return "–" if value is None else form(value)


def median(values):
    return statistics.median(values) if values else None


class Rounds:
    """Seconds per contender and round. One that fails is left out from then on, and says why."""

    def __init__(self, contenders, count):
        self.contenders, self.count = contenders, count
        self.answers = {contender.name: [] for contender in contenders}
        self.reasons = {}

    def run(self, kind, keys, warm_up=False):
        warm = {}
        for _ in range(self.count):
            for contender in self.contenders:
                name, program = contender.name, contender.program
                if name in self.reasons:
                    continue
                try:
                    # Once; and once more where its process is a new one because another's job failed in the old.
                    if warm_up and warm.get(name) != program.generation:
                        program.ask(kind, **keys, **contender.keys)
                        warm[name] = program.generation
                    self.answers[name].append(program.ask(kind, **keys, **contender.keys))
                except JobError as error:
                    self.reasons[name] = str(error)
        return self

    def values(self, name, value):
        """Of each round; empty for one that failed."""
        return [] if name in self.reasons else [value(answer) for answer in self.answers[name]]

    def ratios(self, ours, theirs, value):
        return [a / b for a, b in zip(self.values(ours, value), self.values(theirs, value))]

    def best(self, names, value):
        """The one with the highest median; None where none was measured."""
        measured = [name for name in names if self.values(name, value)]
        return max(measured, key=lambda name: median(self.values(name, value)), default=None)

    def report_failures(self, part, what):
        for contender in self.contenders:
            if contender.name in self.reasons:
                part.fail(f"{what}, {contender.name}: {self.reasons[contender.name]}")
            else:
                part.ok()


def per_second(answer):
    return answer["images"] / answer["seconds"]


def speed(answer):
    return 1 / answer["seconds"]


def verdict(ratios, target):
    if not ratios:
        return "not measured"
    if target is None:
        return f"{median(ratios):.2f}"
    return f"{median(ratios):.2f} of {target:g}: {'reached' if median(ratios) >= target else 'missed'}"
