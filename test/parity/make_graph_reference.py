"""Writes graph_reference.json: whole training, as in reference.json, of the networks of graphs.py.

    python make_graph_reference.py [--out FILE]    makes the file
    python make_graph_reference.py --check         compares a new computation with the committed file

README.md beside this file describes the contents.
"""

import json
import os
import sys

import torch
from torch.overrides import TorchFunctionMode

import philox
import stored
import training
from graphs import GRAPHS

HEADS = {
    "softmax": {"head": "softmax"},
    "arcface": {"head": "arcface", "m": 1.0},
}
# The same update whatever the network: Adam once is enough.
OPTIMIZERS = {"resnet": ["sgd", "adam"], "densenet": ["sgd"], "resnext": ["sgd"]}

# With it no ReLU, PReLU or max pool of any case comes so close to its kink that rounding could push it over.
SEED = 2
MOST_NOISE = 1e-4


class Shaken(TorchFunctionMode):
    """Adds to every output of a convolution, batch norm or linear layer what is several times fp32's rounding. Where
    no kink is near, all that follows changes as little."""

    SIZE = 3e-7  # of the outputs' standard deviation

    def __init__(self, seed):
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if getattr(function, "__name__", "") not in ("conv2d", "batch_norm", "linear"):
            return result
        noise = torch.randn(result.shape, generator=self.generator, dtype=result.dtype)
        return result + noise * self.SIZE * result.detach().std()


def case(network, head):
    return training.Case(GRAPHS[network], HEADS[head], SEED)


def exceeding(case, optimizer, distances, limits):
    """What is over the limits that tests have, as multiples of them."""
    shares = {what: distances[what] / limits[limit] for what, limit in training.LIMITS.items()}
    for name, value in distances["gradients"].items():
        shares[f"gradient of {name}"] = value / limits["gradients"]
    for name, value in distances["moved"].items():
        shares[f"way of {name}"] = value / limits[training.kind_of_moved(case.network, optimizer, name)]
    return {what: round(share, 2) for what, share in shares.items() if share > 1}


def check_kinks(case, optimizer, data, limits, draws=4):
    fp64 = training.run(case, optimizer, data, torch.float64)
    for draw in range(draws):
        with Shaken(draw):
            shaken = training.run(case, optimizer, data, torch.float64)
        over = exceeding(case, optimizer, training.distances(shaken, fp64), limits)
        if over:
            raise AssertionError(f"{case.options}, {optimizer}: a kink is near, choose another seed: {over}")


def make():
    philox.check_known_answers()
    data = training.load()
    with open(os.path.join(stored.HERE, "tolerances.json"), encoding="utf-8") as file:
        limits = {name: entry["limit"] for name, entry in json.load(file)["graphs"].items()}
    reference = {**training.about("make_graph_reference.py", data), "networks": {}}
    for name, network in GRAPHS.items():
        cases = {head: case(name, head) for head in HEADS}
        for one in cases.values():
            for optimizer in OPTIMIZERS[name]:
                check_kinks(one, optimizer, data, limits)
        optimizers = {head: OPTIMIZERS[name] for head in HEADS}
        reference["networks"][name] = training.of_network(network, cases, optimizers, data, MOST_NOISE)
        print(name, stored.to_json(reference["networks"][name]["fp32Noise"]), file=sys.stderr)
    return reference


if __name__ == "__main__":
    stored.main(__doc__, "graph_reference.json", make)
