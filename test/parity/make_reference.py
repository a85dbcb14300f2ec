"""Writes reference.json: what whole training must give, computed in fp64 by PyTorch from our initial weights.

    python make_reference.py [--out FILE]    makes the file
    python make_reference.py --check         compares a new computation with the committed file

README.md beside this file describes the contents.
"""

import sys

import philox
import stored
import training
from network import SEED_CNN

# name: the head's options in the library.
HEADS = {
    "softmax": {"head": "softmax"},
    "l2-softmax": {"head": "l2-softmax", "alpha": {"learn": True, "init": 16.0}},
    "l2-softmax, batch": {"head": "l2-softmax", "l2Scope": "batch"},
    "normface": {"head": "normface", "s": {"learn": True, "init": 16.0}},
    "l-softmax": {"head": "l-softmax", "m": 4, "lambda": 5.0},
    "l-softmax, m 2": {"head": "l-softmax", "m": 2, "lambda": 0.0},
    "a-softmax": {"head": "a-softmax", "m": 4, "lambda": 5.0},
    "a-softmax, m 2": {"head": "a-softmax", "m": 2, "lambda": 0.0},
    "am-softmax": {"head": "am-softmax", "s": 16.0},
    "arcface": {"head": "arcface", "m": 1.0},
    "combined": {"head": "combined", "s": 16.0, "m1": 1.2, "m2": 0.4, "m3": 0.1},
    "pedcc": {"head": "pedcc"},
    "center": {"head": "center", "weight": 0.1},
    "scaled-bn": {"head": "scaled-bn"},
    "everything": {
        "head": "arcface",
        "s": 16.0,
        "labelSmoothing": 0.1,
        "classWeights": [1.0, 2.0, 0.5, 1.0, 1.0, 3.0, 1.0, 0.25, 1.0, 1.0],
        "logitNormalizer": {"type": "scaled-bn", "m": 0.9},
        "auxiliary": {"type": "center", "weight": 0.1, "rate": 0.3},
    },
}
WITH_ADAM = ("softmax", "arcface")

# With these no ReLU and no pool comes so close to its kink that fp32 could fall to the other side.
SEEDS = {
    **{name: 1 for name in HEADS},
    **{name: 13 for name in ("softmax", "l2-softmax", "l-softmax, m 2", "am-softmax")},
    **{name: 52 for name in ("combined", "scaled-bn")},
    "everything": 38,
}
MOST_NOISE = 2e-5


def case(name):
    return training.Case(SEED_CNN, HEADS[name], SEEDS[name])


def make():
    philox.check_known_answers()
    data = training.load()
    cases = {name: case(name) for name in HEADS}
    optimizers = {name: list(training.OPTIMIZERS) if name in WITH_ADAM else ["sgd"] for name in HEADS}
    reference = {
        **training.about("make_reference.py", data),
        "permutations": [
            {"seed": 7, "epoch": 3, "count": 20, "first": philox.permutation(7, 3, 20)},
            {"seed": 0, "epoch": 0, "count": 60000, "first": philox.permutation(0, 0, 60000)[:10]},
        ],
        **training.of_network(SEED_CNN, cases, optimizers, data, MOST_NOISE),
    }
    print(stored.to_json(reference["fp32Noise"]), file=sys.stderr)
    return reference


if __name__ == "__main__":
    stored.main(__doc__, "reference.json", make)
