"""What plausible mistakes would do to the stored numbers, in the measures of the test: its limits must lie below.

    python sensitivity.py

Each line: the mistake, and the largest relative change it makes to the first loss, the gradients of the first step, the
losses of ten steps, and what ten steps change in weights, biases, scales and slopes, and the rest. Needs no file of
references.
"""

import warnings

import torch
import torch.nn.functional as F

import graphs
import heads
import make_graph_reference
import make_reference
import training
from heads import Head
from make_reference import HEADS
from network import SEED_CNN

LEARNING_RATE = training.OPTIMIZERS["sgd"]["learningRate"]


def sgd(decays, **options):
    """A maker of SGD with weight decay where `decays(network, name)` says so."""

    def make(network, _, trained):
        groups = [{"params": [t], "weight_decay": 5e-4 if decays(network, n) else 0.0} for n, t in trained.items()]
        return torch.optim.SGD(groups, lr=LEARNING_RATE, **{"momentum": 0.9, **options})

    return make


def adam(**options):
    return lambda network, _, trained: torch.optim.Adam(trained.values(), lr=1e-3, **options)


def as_the_network_says(network, name):
    return network.decays(name)


def decays_before_head(network, name):
    return network.decays(name) and name in network.backbone


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


def with_norm(**changes):
    """A batch norm with other options."""

    def norm(p, name, x, training):
        weight, bias, mean, variance = (p[f"{name}.{what}"] for what in graphs.OF_NORM)
        options = {"momentum": 0.1, "eps": 1e-5, **changes}
        return F.batch_norm(x, mean, variance, weight, bias, training, **options)

    return norm


def norm_with_biased_variance(p, name, x, training):
    variance, count = p[f"{name}.runningVariance"], x.numel() / x.shape[1]
    unbiased = variance.clone()
    y = batch_norm({**p, f"{name}.runningVariance": unbiased}, name, x, training)
    if training:
        variance.copy_(0.9 * variance + (unbiased - 0.9 * variance) * (count - 1) / count)
    return y


def norm_of_constants(p, name, x, training):
    if not training:
        return batch_norm(p, name, x, training)
    variance, mean = (t.detach()[:, None, None] for t in torch.var_mean(x, (0, 2, 3), correction=0))
    batch_norm(p, name, x.detach(), training)
    weight, bias = (p[f"{name}.{what}"][:, None, None] for what in ("weight", "bias"))
    return (x - mean) / torch.sqrt(variance + 1e-5) * weight + bias


def average_pool_of_zeros(x):
    return F.avg_pool2d(x, 3, stride=2, padding=1)


to_torch, center_step = SEED_CNN.to_torch, heads.center_step
normalized, update_state = Head.normalized, Head.update_state
batch_norm = graphs.batch_norm
OPTIMIZER = (training, "make_optimizer")
NORM = (graphs, "batch_norm")
RESIDUAL, DENSE, GROUPED = (("resnet", "softmax"), ("densenet", "softmax"), ("resnext", "softmax"))


def options(name, **changes):
    return [name], "sgd", (HEADS, name), {**HEADS[name], **changes}


# (what, heads, or networks and heads, optimizer, the name that is replaced, by what)
MISTAKES = [
    ("weight decay on biases too", ["softmax", "arcface"], "sgd", OPTIMIZER, sgd(lambda *_: True)),
    ("no weight decay", ["softmax", "arcface"], "sgd", OPTIMIZER, sgd(lambda *_: False)),
    ("no weight decay on the head", ["softmax", "arcface"], "sgd", OPTIMIZER, sgd(decays_before_head)),
    ("Nesterov", ["softmax"], "sgd", OPTIMIZER, sgd(as_the_network_says, nesterov=True)),
    ("dampening 0.1", ["softmax"], "sgd", OPTIMIZER, sgd(as_the_network_says, dampening=0.1)),
    ("epsilon 1e-7", ["softmax"], "adam", OPTIMIZER, adam(eps=1e-7)),
    ("beta2 0.99", ["softmax"], "adam", OPTIMIZER, adam(betas=(0.9, 0.99))),
    ("flatten in NCHW order", ["softmax"], "sgd", (SEED_CNN, "to_torch"), permuted_columns),
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
    ("weight decay on all", [RESIDUAL, GROUPED], "sgd", OPTIMIZER, sgd(lambda *_: True)),
    ("no weight decay", [RESIDUAL], "sgd", OPTIMIZER, sgd(lambda *_: False)),
    ("momentum 0.101", [RESIDUAL, DENSE], "sgd", NORM, with_norm(momentum=0.101)),
    ("epsilon 1e-4", [RESIDUAL, DENSE], "sgd", NORM, with_norm(eps=1e-4)),
    ("biased running variance", [RESIDUAL, DENSE], "sgd", NORM, norm_with_biased_variance),
    ("statistics as constants", [RESIDUAL, DENSE], "sgd", NORM, norm_of_constants),
    ("padding counts in averages", [GROUPED], "sgd", (graphs, "average_pool"), average_pool_of_zeros),
    ("epsilon 1e-7", [RESIDUAL], "adam", OPTIMIZER, adam(eps=1e-7)),
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


def row(case, distances):
    def moved(kind):
        kinds = {name: training.kind_of_moved(case.network, "sgd", name) for name in distances["moved"]}
        return max((value for name, value in distances["moved"].items() if kinds[name] == kind), default=0.0)

    return [
        distances["firstLoss"],
        max(distances["gradients"].values()),
        distances["losses"],
        *(moved(kind) for kind in ("movedWeights", "movedBiases", "movedScales", "movedRest")),
    ]


def main():
    warnings.simplefilter("ignore")
    data = training.load()
    print(f"{'':50}first loss  gradients     losses    weights     biases     scales       rest")
    for what, cases, optimizer, place, value in MISTAKES:
        for name in cases:
            # Read again each time: the mistake may be in the options.
            def case():
                return make_reference.case(name) if isinstance(name, str) else make_graph_reference.case(*name)

            def run():
                return training.run(case(), optimizer, data, torch.float64, threads=1)

            expected = run()
            before = replaced(place, value)
            try:
                received = run()
            finally:
                replaced(place, before)
            changes = row(case(), training.distances(received, expected))
            who = name if isinstance(name, str) else name[0]
            print(f"{f'{who}, {optimizer}: {what}':50}" + " ".join(f"{change:10.1e}" for change in changes))


if __name__ == "__main__":
    main()
