"""What plausible mistakes would do to the stored numbers, in the measures of the test: its limits must lie below.

    python sensitivity.py

Each line: the mistake, and the largest relative change it makes to the first loss, the gradients of the first step, the
losses of ten steps, and what ten steps change in weights, in biases and in the rest. Needs no reference.json.
"""

import warnings

import torch

import heads
import make_reference
import network
from heads import Head
from make_reference import HEADS

LEARNING_RATE = make_reference.OPTIMIZERS["sgd"]["learningRate"]


def sgd(decays, **options):
    """A maker of SGD with weight decay where `decays(name)` says so."""

    def make(_, trained):
        groups = [{"params": [t], "weight_decay": 5e-4 if decays(n) else 0.0} for n, t in trained.items()]
        return torch.optim.SGD(groups, lr=LEARNING_RATE, **{"momentum": 0.9, **options})

    return make


def adam(**options):
    return lambda _, trained: torch.optim.Adam(trained.values(), lr=1e-3, **options)


def decays_before_head(name):
    return network.decays(name) and name in network.BACKBONE


def permuted_columns(name, array):
    """fc1's columns left in NHWC order."""
    return array if name == "fc1.weight" else to_torch(name, array)


def statistics_as_constants(self, logits, mean, variance):
    return normalized(self, logits, mean.detach(), variance.detach())


def biased_running_variance(self, x, y, plain, p):
    mean = plain.mean(0)
    update_state(self, x, y, mean + (plain - mean) * (1 - 1 / len(x)) ** 0.5, p)


def step_without_one(x, y, centers):
    count = torch.bincount(y, minlength=len(centers))[:, None]
    return center_step(x, y, centers) * (1 + count) / count.clamp(min=1)


to_torch, center_step = network.to_torch, heads.center_step
normalized, update_state = Head.normalized, Head.update_state
OPTIMIZER = (make_reference, "make_optimizer")


def options(name, **changes):
    return [name], "sgd", (HEADS, name), {**HEADS[name], **changes}


# (what, heads, optimizer, the name that is replaced, by what)
MISTAKES = [
    ("weight decay on biases too", ["softmax", "arcface"], "sgd", OPTIMIZER, sgd(lambda name: True)),
    ("no weight decay", ["softmax", "arcface"], "sgd", OPTIMIZER, sgd(lambda name: False)),
    ("no weight decay on the head", ["softmax", "arcface"], "sgd", OPTIMIZER, sgd(decays_before_head)),
    ("Nesterov", ["softmax"], "sgd", OPTIMIZER, sgd(network.decays, nesterov=True)),
    ("dampening 0.1", ["softmax"], "sgd", OPTIMIZER, sgd(network.decays, dampening=0.1)),
    ("epsilon 1e-7", ["softmax"], "adam", OPTIMIZER, adam(eps=1e-7)),
    ("beta2 0.99", ["softmax"], "adam", OPTIMIZER, adam(betas=(0.9, 0.99))),
    ("flatten in NCHW order", ["softmax"], "sgd", (network, "to_torch"), permuted_columns),
    ("margin without its continuation", *options("arcface", wrap="none")),
    ("margin's derivative detached", *options("arcface", gradient="detached")),
    ("lambda left out", *options("l-softmax", **{"lambda": 0.0})),
    ("lambda 5.01", *options("a-softmax", **{"lambda": 5.01})),
    ("one norm for the batch", *options("l2-softmax", l2Scope="batch")),
    ("center loss not halved", *options("center", weight=0.2)),
    ("center rate 0.51", *options("center", rate=0.51)),
    ("center step by n, not 1 + n", ["center"], "sgd", (heads, "center_step"), step_without_one),
    ("epsilon 1e-4", *options("scaled-bn", epsilon=1e-4)),
    ("statistics as constants", ["scaled-bn"], "sgd", (Head, "normalized"), statistics_as_constants),
    ("biased running variance", ["scaled-bn"], "sgd", (Head, "update_state"), biased_running_variance),
    ("centroid loss left out", *options("pedcc", weight=0.0)),
]


def replaced(place, value):
    """Puts `value` where (owner, name) says; returns what was there."""
    owner, name = place
    before = owner[name] if isinstance(owner, dict) else getattr(owner, name)
    if isinstance(owner, dict):
        owner[name] = value
    else:
        setattr(owner, name, value)
    return before


def row(distances):
    def moved(belongs):
        return max((value for name, value in distances["moved"].items() if belongs(name)), default=0.0)

    return [
        distances["firstLoss"],
        max(distances["gradients"].values()),
        distances["losses"],
        moved(lambda name: name.endswith(".weight")),
        moved(lambda name: name.endswith(".bias")),
        moved(lambda name: not name.endswith((".weight", ".bias"))),
    ]


def main():
    warnings.simplefilter("ignore")
    data = make_reference.load()
    print(f"{'':50}first loss  gradients     losses    weights     biases       rest")
    for what, names, optimizer, place, value in MISTAKES:
        for name in names:
            expected = make_reference.run(name, optimizer, data, torch.float64, threads=1)
            before = replaced(place, value)
            try:
                received = make_reference.run(name, optimizer, data, torch.float64, threads=1)
            finally:
                replaced(place, before)
            changes = row(make_reference.distances(received, expected))
            print(f"{f'{name}, {optimizer}: {what}':50}" + " ".join(f"{change:10.1e}" for change in changes))


if __name__ == "__main__":
    main()
