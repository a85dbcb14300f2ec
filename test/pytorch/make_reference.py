"""Writes reference.json: what whole training must give, computed in fp64 by PyTorch from our initial weights.

    python make_reference.py [--data DIR] [--out FILE]    makes the file
    python make_reference.py --check                      compares a new computation with the committed file

README.md beside this file describes the contents.
"""

import argparse
import gzip
import hashlib
import json
import math
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

import heads
import network
import philox

HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLE = os.path.join(HERE, "..", "..", "datasets", "fashion-mnist-sample")

SEED = 1234
BATCH_SIZE = 16
STEPS = 10
ENTRIES = 64

OPTIMIZERS = {
    "sgd": {"learningRate": 0.01, "momentum": 0.9, "weightDecay": 5e-4},
    "adam": {"learningRate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
}

# Ways to compute the same in fp32. They differ in the order of summation, so their distance from fp64 is what fp32 costs.
FP32_VARIANTS = [
    {"threads": threads, "onednn": onednn, "memory_format": memory_format}
    for threads in (1, 2)
    for onednn in (True, False)
    for memory_format in (torch.contiguous_format, torch.channels_last)
]


# Data --------------------------------------------------------------------------------------------------------------


def read_idx(folder, name):
    """An IDX file of unsigned bytes, gzipped or not."""
    path = os.path.join(folder, name)
    opener = open if os.path.exists(path) else gzip.open
    with opener(path if opener is open else path + ".gz", "rb") as file:
        data = file.read()
    rank = data[3]
    shape = tuple(int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(rank))
    return np.frombuffer(data, dtype=np.uint8, offset=4 + 4 * rank).reshape(shape)


def load(folder):
    """Images and labels of the training set; mean and (biased) standard deviation of its pixels, as float32."""
    images = read_idx(folder, "train-images-idx3-ubyte")
    labels = read_idx(folder, "train-labels-idx1-ubyte")
    pixels = images.astype(np.float64) / 255.0
    return images, labels, np.float32(pixels.mean()), np.float32(pixels.std())


# Training ----------------------------------------------------------------------------------------------------------


def make_optimizer(name, p):
    options = OPTIMIZERS[name]
    if name == "adam":
        betas = (options["beta1"], options["beta2"])
        return torch.optim.Adam(p.values(), lr=options["learningRate"], betas=betas, eps=options["epsilon"])
    groups = [
        {"params": [t for n, t in p.items() if network.decays(n)], "weight_decay": options["weightDecay"]},
        {"params": [t for n, t in p.items() if not network.decays(n)], "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=options["learningRate"], momentum=options["momentum"])


def run(head_name, optimizer_name, data, dtype, threads=2, onednn=True, memory_format=torch.contiguous_format):
    """Ten steps. Everything is returned as fp64 numpy arrays in our layout."""
    torch.set_num_threads(threads)
    images, labels, mean, std = data
    head = heads.HEADS[head_name]
    p = network.torch_parameters(network.initial_parameters(SEED, head_name == "softmax"), dtype)
    optimizer = make_optimizer(optimizer_name, p)

    def read(tensors):
        return {n: network.from_torch(n, t.detach().double().numpy().copy()) for n, t in tensors.items()}

    result = {"initial": read(p), "losses": [], "past_pi": 0}
    with torch.backends.mkldnn.flags(enabled=onednn):
        for step in range(STEPS):
            rows = slice(step * BATCH_SIZE, (step + 1) * BATCH_SIZE)
            batch = (images[rows].astype(np.float64) / 255.0 - float(mean)) / float(std)
            x = torch.tensor(batch[:, None], dtype=dtype).contiguous(memory_format=memory_format)
            y = torch.tensor(labels[rows].astype(np.int64))
            embeddings = network.embed(p, x)
            scores, logits, past_pi = head(p, embeddings, y)
            loss = F.cross_entropy(logits, y)
            optimizer.zero_grad()
            loss.backward()
            if step == 0:
                result["embeddings"] = embeddings.detach().double().numpy()
                result["scores"] = scores.detach().double().numpy()
                result["gradients"] = read({n: t.grad for n, t in p.items()})
            optimizer.step()
            result["losses"].append(loss.item())
            result["past_pi"] += past_pi
    result["final"] = read(p)
    return result


# What is stored ----------------------------------------------------------------------------------------------------


def spread(count):
    """ENTRIES flat indices, one in each stretch of count/ENTRIES, at varying places of it (in a fixed grid they would
    all fall into one column of a matrix); every index of a small tensor."""
    if count <= ENTRIES:
        return list(range(count))
    return [(count * ((i << 32) | (i * 0x9E3779B9 & 0xFFFFFFFF))) >> 38 for i in range(ENTRIES)]


def number(value):
    return float(f"{value:.9g}")


def digest(array):
    """The L2 norm and the spread entries of one tensor."""
    flat = array.reshape(-1).astype(np.float64)  # the norm too
    return {"norm": number(np.linalg.norm(flat)), "entries": [number(flat[i]) for i in spread(flat.size)]}


def digests(arrays):
    return {name: digest(array) for name, array in arrays.items()}


def moved(result):
    return {name: final - result["initial"][name] for name, final in result["final"].items()}


# Distance of fp32 from fp64, in the measures that the test uses -----------------------------------------------------


def distance(received, expected):
    """Relative error of the spread entries (Frobenius) and of the norm, the larger."""
    a, b = received.reshape(-1), expected.reshape(-1)
    index = spread(b.size)
    entries = np.linalg.norm(a[index] - b[index]) / np.linalg.norm(b[index])
    norm = abs(np.linalg.norm(a) - np.linalg.norm(b)) / np.linalg.norm(b)
    return max(entries, norm)


def distances(received, expected):
    """One number per stored quantity; per tensor for gradients and the way moved in ten steps."""
    loss = [abs(a - b) / b for a, b in zip(received["losses"], expected["losses"])]
    return {
        "scores": distance(received["scores"], expected["scores"]),
        "embeddings": distance(received["embeddings"], expected["embeddings"]),
        "firstLoss": loss[0],
        "losses": max(loss),
        "gradients": {n: distance(received["gradients"][n], g) for n, g in expected["gradients"].items()},
        "moved": {n: distance(moved(received)[n], d) for n, d in moved(expected).items()},
    }


def worst(many):
    """The largest value, field by field."""
    first = many[0]
    if isinstance(first, dict):
        return {key: worst([one[key] for one in many]) for key in first}
    return float(f"{max(many):.2g}")


def largest(tree):
    return max(largest(v) for v in tree.values()) if isinstance(tree, dict) else tree


# The file ----------------------------------------------------------------------------------------------------------


def make(folder):
    philox.check_known_answers()
    data = load(folder)
    images, labels, mean, std = data
    used = STEPS * BATCH_SIZE
    reference = {
        "about": "Made by make_reference.py; see README.md. Do not edit.",
        "madeWith": f"PyTorch {torch.__version__}, fp64",
        "seed": SEED,
        "batchSize": BATCH_SIZE,
        "embeddingSize": network.EMBEDDING_SIZE,
        "data": {
            "count": len(images),
            "mean": float(mean),
            "std": float(std),
            "firstLabels": labels[:used].tolist(),
            "firstImagesSha256": hashlib.sha256(images[:used].tobytes()).hexdigest(),
        },
        "permutations": [
            {"seed": 7, "epoch": 3, "count": 20, "first": philox.permutation(7, 3, 20)},
            {"seed": 0, "epoch": 0, "count": 60000, "first": philox.permutation(0, 0, 60000)[:10]},
        ],
        "arcface": {"s": heads.ARCFACE_SCALE, "m": heads.ARCFACE_MARGIN},
        "optimizers": OPTIMIZERS,
        "tensors": {n: {"shape": list(s), "indices": spread(math.prod(s))} for n, s in network.SHAPES.items()},
        "initial": digests(network.initial_parameters(SEED, True)),
        "heads": {},
        "fp32Noise": {},
    }
    for head_name in heads.HEADS:
        for optimizer_name in OPTIMIZERS:
            fp64 = run(head_name, optimizer_name, data, torch.float64)
            again = run(head_name, optimizer_name, data, torch.float64, threads=1)
            if largest(distances(again, fp64)) > 1e-12:
                raise AssertionError(f"{head_name} {optimizer_name}: fp64 with one thread differs from two")
            noise = worst(
                [distances(run(head_name, optimizer_name, data, torch.float32, **v), fp64) for v in FP32_VARIANTS]
            )
            # The first step does not depend on the optimizer: it is stored once per head.
            stored = reference["heads"].setdefault(
                head_name,
                {
                    "firstLoss": number(fp64["losses"][0]),
                    "scores": [number(v) for v in fp64["scores"].reshape(-1)],
                    "embeddings": digest(fp64["embeddings"]),
                    "gradients": digests(fp64["gradients"]),
                    "training": {},
                },
            )
            stored["training"][optimizer_name] = {
                "losses": [number(v) for v in fp64["losses"]],
                "samplesPastPi": fp64["past_pi"],
                "final": digests(fp64["final"]),
                "movedNorm": {n: number(np.linalg.norm(d)) for n, d in moved(fp64).items()},
            }
            reference["fp32Noise"][f"{head_name} {optimizer_name}"] = noise
    return reference


def write(value, indent=""):
    """JSON with objects over several lines and each array on one."""
    if not isinstance(value, dict):
        return json.dumps(value, separators=(",", ":"))
    if not any(isinstance(v, (dict, list)) for v in value.values()):
        return json.dumps(value)
    inner = indent + " "
    lines = [f"{inner}{json.dumps(key)}: {write(item, inner)}" for key, item in value.items()]
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"


def differences(received, expected, path=""):
    """Places where two references differ by more than a millionth; the noise and the versions are not compared."""
    if path in (".fp32Noise", ".madeWith"):
        return []
    if isinstance(expected, dict) and isinstance(received, dict) and expected.keys() == received.keys():
        return [d for key in expected for d in differences(received[key], expected[key], f"{path}.{key}")]
    if isinstance(expected, list) and isinstance(received, list) and len(received) == len(expected):
        # A list of numbers is compared as one vector: its small entries have no digits of their own.
        if expected and isinstance(expected[0], float):
            far = np.linalg.norm(np.subtract(received, expected)) > 1e-6 * np.linalg.norm(expected)
            return [path] if far else []
        pairs = enumerate(zip(received, expected))
        return [d for i, (a, b) in pairs for d in differences(a, b, f"{path}[{i}]")]
    if isinstance(expected, float) and isinstance(received, float):
        return [] if math.isclose(received, expected, rel_tol=1e-6) else [path]
    return [] if received == expected else [path]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=SAMPLE, help="folder of the training set, as IDX files")
    parser.add_argument("--out", default=os.path.join(HERE, "reference.json"))
    parser.add_argument("--check", action="store_true", help="compare with the file instead of writing it")
    arguments = parser.parse_args()
    reference = make(arguments.data)
    print(write(reference["fp32Noise"]), file=sys.stderr)
    if not arguments.check:
        with open(arguments.out, "w", encoding="utf-8") as file:
            file.write(write(reference) + "\n")
        return
    with open(arguments.out, encoding="utf-8") as file:
        different = differences(json.loads(write(reference)), json.load(file))
    if different:
        sys.exit("differs from the committed reference at:\n  " + "\n  ".join(different))
    print("the committed reference is confirmed", file=sys.stderr)


if __name__ == "__main__":
    main()
