"""Writes starts.json: how weights start, by PyTorch's own functions.

    python make_starts.py [--out FILE]    makes the file
    python make_starts.py --check         compares a new computation with the committed file

Under `rules` the weights and biases of two layers for each rule, and under `networks` the distribution of each tensor of
torchvision's networks. What PyTorch draws from, normal or uniform and how wide, is seen as its functions ask for it; the
draws themselves are philox.py's. Needs torchvision.
"""

from contextlib import contextmanager

import numpy as np
import torch
import torchvision
from torch import nn

import philox
import stored

SEED = 3
INPUT = (6, 8, 8)  # H, W, C
EMBEDDING_SIZE = 7
RULES = {
    "fanInUniform": None,
    "pytorch": None,
    "heNormal": lambda w: nn.init.kaiming_normal_(w, mode="fan_in", nonlinearity="relu"),
    "heNormalFanOut": lambda w: nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"),
    "heUniform": lambda w: nn.init.kaiming_uniform_(w, mode="fan_in", nonlinearity="relu"),
    "lecunUniform": lambda w: nn.init.kaiming_uniform_(w, mode="fan_in", nonlinearity="linear"),
    "xavierNormal": nn.init.xavier_normal_,
    "xavierUniform": nn.init.xavier_uniform_,
    "std": lambda w: nn.init.normal_(w, 0, 0.01),
}
NETWORKS = ["vgg11_bn", "resnet18", "resnext50_32x4d", "densenet121"]


FILLS = ("normal_", "uniform_", "fill_", "zero_")


@contextmanager
def seen():
    """id of a tensor → from what it was filled last"""
    last = {}

    def noting(name, fill):
        def noted(tensor, *args, **kwargs):
            last[id(tensor)] = distribution(name, *args, **kwargs)
            return fill(tensor, *args, **kwargs)

        return noted

    originals = {name: getattr(torch.Tensor, name) for name in FILLS}
    for name, fill in originals.items():
        setattr(torch.Tensor, name, noting(name, fill))
    yield last
    for name, fill in originals.items():
        setattr(torch.Tensor, name, fill)


def distribution(name, first=0.0, second=1.0, **_):
    """["normal", standard deviation], ["uniform", half the width] or ["constant", value]"""
    if name in ("fill_", "zero_"):
        return ["constant", float(first)]
    if name == "normal_":
        assert first == 0
        return ["normal", float(second)]
    assert first == -second
    return ["uniform", float(second)]


def two_layers():
    convolution = nn.Conv2d(8, 12, (3, 5), groups=4)
    return {"conv": convolution, "fc": nn.Linear(12 * 4 * 4, EMBEDDING_SIZE)}


def tensors_of(layers):
    """name → tensor in the arena's order, which is that of the random streams"""
    return {f"{name}.{what}": getattr(layer, what) for what in ("weight", "bias") for name, layer in layers.items()}


def our_shape(tensor):
    """OHWI of a convolution."""
    return tuple(tensor.permute(0, 2, 3, 1).shape) if tensor.dim() == 4 else tuple(tensor.shape)


def indices():
    return {name: stored.spread(tensor.numel()) for name, tensor in tensors_of(two_layers()).items()}


def starts(rule):
    """name → digest, of what is random"""
    with seen() as last:
        layers = two_layers()
        if RULES[rule]:
            for layer in layers.values():
                RULES[rule](layer.weight)
    arrays = {}
    for stream, (name, tensor) in enumerate(tensors_of(layers).items()):
        kind, width = last[id(tensor)]
        shape = our_shape(tensor)
        if name.endswith(".bias") and rule != "pytorch":
            continue  # 0
        draw = {"normal": philox.normal, "uniform": philox.uniform}[kind]
        arrays[name] = draw(SEED, stream, int(np.prod(shape)), width).reshape(shape)
    return stored.digests(arrays)


def torchvisions(name):
    with seen() as last, torch.device("meta"):
        network = torchvision.models.get_model(name, weights=None)
    return {parameter: last[id(tensor)] for parameter, tensor in network.named_parameters()}


def make():
    philox.check_known_answers()
    return {
        "madeBy": "make_starts.py",
        "madeWith": {"torch": torch.__version__, "torchvision": torchvision.__version__, "numpy": np.__version__},
        "seed": SEED,
        "input": INPUT,
        "embeddingSize": EMBEDDING_SIZE,
        "indices": indices(),
        "rules": {rule: starts(rule) for rule in RULES},
        "networks": {name: torchvisions(name) for name in NETWORKS},
    }


if __name__ == "__main__":
    stored.main(__doc__, "starts.json", make)
