"""Writes fine_tuning_reference.json and the state dict from which its runs begin: what `train()` must give with frozen layers
and learning rates of layers, computed in fp64 by PyTorch as its users fine-tune: modules in eval mode whose parameters need no
gradient, and groups of parameters.

    python make_fine_tuning_reference.py [--out FILE]    makes the file, and fine_tuning_start.safetensors beside this one
    python make_fine_tuning_reference.py --check         compares a new computation, from the committed start, with the file

README.md beside this file describes the contents.
"""

import os
import sys

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import philox
import stored
import train_rules as rules
from heads import Head
from make_train_reference import load

START = os.path.join(stored.HERE, "fine_tuning_start.safetensors")
NUM_CLASSES, EMBEDDING_SIZE = 10, 10
IMAGES, BATCH_SIZE, EPOCHS = 64, 16, 2
NORMALIZE = {"mean": [0.3, 0.6], "std": [0.25, 0.5]}

# Options as users write them; the learning rate is constant.
CASES = {
    "the beginning frozen, sgd": {
        "freeze": ["conv1", "bn1", "layer1"],
        "layerLr": {"layer2": 0.25, "layer3.0.bn2": 3.0},
        "learningRate": 0.02,
        "optimizer": {"type": "sgd", "momentum": 0.9, "weightDecay": 0.05},
        "head": {"head": "arcface", "m": 0.3, "s": 12.0},
        "headLr": 2.0,
    },
    "the middle frozen, adam": {
        "freeze": ["layer2"],
        "layerLr": {"all": 0.5, "layer3": 1.5},
        "learningRate": 2e-3,
        "optimizer": {"type": "adam", "weightDecay": 0.02},
        "head": {"head": "softmax"},
        "headLr": 1.0,
    },
    "batch norms and a side of a residual frozen, sgd": {
        "freeze": ["bn1", "layer1.0.bn1", "layer1.0.bn2", "layer2.0.downsample", "layer3.0.bn2"],
        "layerLr": {"layer1.0.conv2": 0.5},
        "learningRate": 0.02,
        "optimizer": {"type": "sgd", "momentum": 0.5, "weightDecay": 0.1},
        "head": {"head": "softmax"},
        "headLr": 0.5,
    },
    "the middle frozen, clipped, sgd": {
        "freeze": ["layer2"],
        "layerLr": {"layer3": 1.5},
        "learningRate": 0.02,
        "clipGradients": 2.5,
        "optimizer": {"type": "sgd", "momentum": 0.8, "weightDecay": 0.05},
        "head": {"head": "softmax"},
        "headLr": 2.0,
    },
    "all frozen, adamw": {
        "freeze": "all",
        "layerLr": {},
        "learningRate": 0.02,
        "optimizer": {"type": "adamw", "weightDecay": 0.2},
        "head": {"head": "arcface", "m": 0.3, "s": 12.0},
        "headLr": 1.5,
    },
}
SEED = 3


# The network, with torchvision's names -------------------------------------------------------------------------------


class Block(nn.Module):
    def __init__(self, channels, out_channels, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample = None
        if stride != 1:
            shortcut = nn.Conv2d(channels, out_channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(out_channels))

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 6, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(6)
        self.layer1 = nn.Sequential(Block(6, 6, 1))
        self.layer2 = nn.Sequential(Block(6, 8, 2))
        self.layer3 = nn.Sequential(Block(8, EMBEDDING_SIZE, 2))

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        return self.layer3(self.layer2(self.layer1(x))).mean((2, 3))


# Data and beginning --------------------------------------------------------------------------------------------------


def read_data():
    images, labels = load()
    mean, std = (np.float32(NORMALIZE[key]).astype(np.float64) for key in ("mean", "std"))
    pixels = (images[:IMAGES] / 255.0 - mean) / std
    return torch.tensor(pixels.transpose(0, 3, 1, 2).copy()), torch.tensor(labels[:IMAGES])


def make_start():
    """As if trained elsewhere: scales, shifts and statistics that are not those of a beginning, and a head of its own."""
    torch.manual_seed(1)
    network = ResNet().double()
    images, _ = read_data()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.7, 1.4)
            nn.init.normal_(module.bias, std=0.2)
    for _ in range(20):
        network(images + 0.3 * torch.randn_like(images))
    state = {
        name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in network.state_dict().items()
    }
    fc = nn.Linear(EMBEDDING_SIZE, 5)
    save_file({**state, "fc.weight": fc.weight.detach(), "fc.bias": fc.bias.detach()}, START)


# A run ---------------------------------------------------------------------------------------------------------------


def is_of(layer, name):
    return name == "all" or layer == name or layer.startswith(f"{name}.")


def rate_of(layer, layer_rates):
    """The longest name that fits."""
    fitting = [name for name in layer_rates if is_of(layer, name)]
    longest = max(fitting, key=lambda name: 0 if name == "all" else len(name), default=None)
    return layer_rates.get(longest, 1.0)


def fine_tune(case, dtype, threads):
    torch.set_num_threads(threads)
    images, labels = (tensor.to(dtype) if tensor.is_floating_point() else tensor for tensor in read_data())
    network = ResNet()
    network.load_state_dict({n: t for n, t in load_file(START).items() if not n.startswith("fc.")})
    network.to(dtype)
    freeze = [case["freeze"]] if isinstance(case["freeze"], str) else case["freeze"]

    network.train()
    groups = []
    for layer, module in network.named_modules():
        own = list(module.parameters(recurse=False))
        if not own:
            continue
        if any(is_of(layer, name) for name in freeze):
            module.eval()
            for parameter in own:
                parameter.requires_grad_(False)
            continue
        rate = case["learningRate"] * rate_of(layer, case["layerLr"])
        decay = case["optimizer"]["weightDecay"] if isinstance(module, nn.Conv2d) else 0.0
        groups.append({"params": own, "lr": rate, "weight_decay": decay})

    head = Head(case["head"])
    # Its stream is its place among all parameters, whatever of these is frozen.
    stream = len(list(network.parameters()))
    weight = philox.xavier_uniform(SEED, stream, NUM_CLASSES * EMBEDDING_SIZE, EMBEDDING_SIZE, NUM_CLASSES)
    start = {"head.weight": torch.tensor(weight.reshape(NUM_CLASSES, EMBEDDING_SIZE), dtype=dtype)}
    if head.has_bias:
        start["head.bias"] = torch.zeros(NUM_CLASSES, dtype=dtype)
    of_head = {name: nn.Parameter(tensor.clone()) for name, tensor in start.items()}
    for name, parameter in of_head.items():
        decay = case["optimizer"]["weightDecay"] if name == "head.weight" else 0.0
        rate = case["learningRate"] * case["headLr"]
        groups.append({"params": [parameter], "lr": rate, "weight_decay": decay})

    kind = case["optimizer"]["type"]
    if kind == "sgd":
        optimizer = torch.optim.SGD(groups, lr=1.0, momentum=case["optimizer"]["momentum"])
    else:
        optimizer = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[kind](groups, lr=1.0)

    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    losses = []
    for epoch in range(EPOCHS):
        for rows in rules.batches(SEED, epoch, IMAGES, BATCH_SIZE, True):
            loss = head.loss(network(images[rows]), labels[rows], of_head).loss
            optimizer.zero_grad()
            loss.backward()
            if "clipGradients" in case:
                trained = [parameter for group in groups for parameter in group["params"]]
                torch.nn.utils.clip_grad_norm_(trained, case["clipGradients"])
            optimizer.step()
            losses.append(loss.item())
    after = network.state_dict()
    moved = {n: (t - before[n]).double().numpy() for n, t in after.items() if t.is_floating_point()}
    return losses, moved  # the network's alone: a head's beginning is in no file


def distances(received, expected):
    """In the measures of the test: losses, and the way that each tensor went."""
    losses = max(abs(a - b) / b for a, b in zip(received[0], expected[0], strict=True))
    moved = {n: stored.distance(received[1][n], array) for n, array in expected[1].items() if array.any()}
    weights = max((value for name, value in moved.items() if len(expected[1][name].shape) > 1), default=0.0)
    rest = max((value for name, value in moved.items() if len(expected[1][name].shape) == 1), default=0.0)
    return {"losses": losses, "movedWeights": weights, "movedRest": rest}


def make():
    philox.check_known_answers()
    if "--check" not in sys.argv:
        make_start()
    cases, noise = {}, {"losses": 0.0, "movedWeights": 0.0, "movedRest": 0.0}
    for name, case in CASES.items():
        exact = fine_tune(case, torch.float64, 1)
        for threads in (1, 2):
            of_case = distances(fine_tune(case, torch.float32, threads), exact)
            noise = {key: max(noise[key], value) for key, value in of_case.items()}
        losses, moved = exact
        frozen = sorted(n for n, array in moved.items() if not array.any())
        cases[name] = {
            "options": {**case, "seed": SEED, "normalize": NORMALIZE},
            "losses": [stored.number(loss) for loss in losses],
            "unchanged": frozen,
            "moved": stored.digests({n: array for n, array in moved.items() if n not in frozen}),
        }
    return {
        "about": "Made by make_fine_tuning_reference.py; see README.md. Do not edit.",
        "madeWith": f"PyTorch {torch.__version__}, fp64",
        "images": IMAGES,
        "batchSize": BATCH_SIZE,
        "epochs": EPOCHS,
        "cases": cases,
        "fp32Noise": {key: float(f"{value:.2g}") for key, value in noise.items()},
    }


if __name__ == "__main__":
    stored.main(__doc__, "fine_tuning_reference.json", make)
