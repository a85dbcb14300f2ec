"""What plausible mistakes would do to the stored numbers, in the measures of the test: its limits must lie below.

    python sensitivity.py

Each line: the mistake, and the largest relative change it makes to the first loss, the gradients of the first step, the
losses of ten steps, and what ten steps change in weights and in biases. Needs no reference.json.
"""

import warnings

import torch

import heads
import make_reference
import network

LEARNING_RATE = make_reference.OPTIMIZERS["sgd"]["learningRate"]


def sgd(decays, **options):
    """A maker of SGD with weight decay where `decays(name)` says so."""

    def make(_, p):
        groups = [{"params": [t], "weight_decay": 5e-4 if decays(n) else 0.0} for n, t in p.items()]
        return torch.optim.SGD(groups, lr=LEARNING_RATE, **{"momentum": 0.9, **options})

    return make


def adam(**options):
    return lambda _, p: torch.optim.Adam(p.values(), lr=1e-3, **options)


def arcface_without_wrap(p, embeddings, labels):
    """cos(theta + m) past pi too."""
    cos_theta = heads.arcface(p, embeddings, labels)[0] / heads.ARCFACE_SCALE
    theta = torch.acos(cos_theta.gather(1, labels[:, None]))
    rotated = torch.cos(theta + heads.ARCFACE_MARGIN)
    return (*(heads.ARCFACE_SCALE * c for c in (cos_theta, cos_theta.scatter(1, labels[:, None], rotated))), 0)


def arcface_detached(p, embeddings, labels):
    """The margin's derivative taken as 1."""
    scores, logits, past_pi = heads.arcface(p, embeddings, labels)
    return scores, scores + (logits - scores).detach(), past_pi


def permuted_columns(name, array):
    """fc1's columns left in NHWC order."""
    return array if name == "fc1.weight" else to_torch(name, array)


to_torch = network.to_torch

# (what, optimizer, the name that is replaced, by what)
MISTAKES = [
    ("weight decay on biases too", "sgd", (make_reference, "make_optimizer"), sgd(lambda name: True)),
    ("no weight decay", "sgd", (make_reference, "make_optimizer"), sgd(lambda name: False)),
    (
        "no weight decay on the head",
        "sgd",
        (make_reference, "make_optimizer"),
        sgd(lambda name: network.decays(name) and name != "head.weight"),
    ),
    ("Nesterov", "sgd", (make_reference, "make_optimizer"), sgd(network.decays, nesterov=True)),
    ("dampening 0.1", "sgd", (make_reference, "make_optimizer"), sgd(network.decays, dampening=0.1)),
    ("epsilon 1e-7", "adam", (make_reference, "make_optimizer"), adam(eps=1e-7)),
    ("beta2 0.99", "adam", (make_reference, "make_optimizer"), adam(betas=(0.9, 0.99))),
    ("flatten in NCHW order", "sgd", (network, "to_torch"), permuted_columns),
    ("margin without wrap", "sgd", (heads.HEADS, "arcface"), arcface_without_wrap),
    ("margin's derivative detached", "sgd", (heads.HEADS, "arcface"), arcface_detached),
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


def main():
    warnings.simplefilter("ignore")
    data = make_reference.load(make_reference.SAMPLE)
    print(f"{'':46}first loss  gradients     losses    weights     biases")
    for what, optimizer, place, value in MISTAKES:
        for head in heads.HEADS:
            if what.startswith("margin") and head != "arcface":
                continue
            expected = make_reference.run(head, optimizer, data, torch.float64)
            before = replaced(place, value)
            try:
                d = make_reference.distances(make_reference.run(head, optimizer, data, torch.float64), expected)
            finally:
                replaced(place, before)
            moved = {suffix: max(v for n, v in d["moved"].items() if n.endswith(suffix)) for suffix in ("weight", "bias")}
            row = [d["firstLoss"], max(d["gradients"].values()), d["losses"], moved["weight"], moved["bias"]]
            print(f"{f'{head}, {optimizer}: {what}':46}" + " ".join(f"{value:10.1e}" for value in row))


if __name__ == "__main__":
    main()
