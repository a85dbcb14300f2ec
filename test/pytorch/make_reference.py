"""Writes reference.json: what whole training must give, computed in fp64 by PyTorch from our initial weights.

    python make_reference.py [--out FILE]    makes the file
    python make_reference.py --check         compares a new computation with the committed file

README.md beside this file describes the contents.
"""

import gzip
import hashlib
import math
import os
import sys

import numpy as np
import torch

import network
import philox
import stored
from heads import Head

SAMPLE = os.path.join(stored.HERE, "..", "..", "datasets", "fashion-mnist-sample")

BATCH_SIZE = 8
STEPS = 10

OPTIMIZERS = {
    "sgd": {"learningRate": 0.01, "momentum": 0.9, "weightDecay": 5e-4},
    "adam": {"learningRate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
}

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

# Ways to compute the same in fp32. They differ in the order of summation: their distance from fp64 is what fp32 costs.
FP32_VARIANTS = [
    {"threads": threads, "onednn": onednn, "memory_format": memory_format}
    for threads in (1, 2)
    for onednn in (True, False)
    for memory_format in (torch.contiguous_format, torch.channels_last)
]


# Data --------------------------------------------------------------------------------------------------------------


def read_idx(name):
    """A gzipped IDX file of unsigned bytes."""
    with gzip.open(os.path.join(SAMPLE, name + ".gz"), "rb") as file:
        data = file.read()
    rank = data[3]
    shape = tuple(int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(rank))
    return np.frombuffer(data, dtype=np.uint8, offset=4 + 4 * rank).reshape(shape)


def load():
    """Images and labels of the training set; mean and (biased) standard deviation of its pixels, as float32."""
    images = read_idx("train-images-idx3-ubyte")
    labels = read_idx("train-labels-idx1-ubyte")
    pixels = images.astype(np.float64) / 255.0
    return images, labels, np.float32(pixels.mean()), np.float32(pixels.std())


# Training ----------------------------------------------------------------------------------------------------------


def tensor_names(head):
    """Arena order."""
    return network.BACKBONE + head.trained() + head.state()


def initial_constants(head):
    """name → value of every tensor that does not start at random."""
    constants = {"head.scale": head.initial_scale, "head.runningVariance": 1.0}
    return {n: constants.get(n, 0.0) for n in tensor_names(head) if not network.decays(n)}


def initial_tensors(head, seed):
    """name → float32 array in our layout."""
    tensors = network.random_weights(seed)
    if "head.weight" in head.state():
        tensors["head.weight"] = network.centroids()
    for name, value in initial_constants(head).items():
        tensors[name] = np.full(network.SHAPES[name], value, dtype=np.float32)
    return {name: tensors[name] for name in tensor_names(head)}


def make_optimizer(name, trained):
    options = OPTIMIZERS[name]
    if name == "adam":
        betas = (options["beta1"], options["beta2"])
        return torch.optim.Adam(trained.values(), lr=options["learningRate"], betas=betas, eps=options["epsilon"])
    groups = [
        {"params": [t for n, t in trained.items() if network.decays(n)], "weight_decay": options["weightDecay"]},
        {"params": [t for n, t in trained.items() if not network.decays(n)], "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=options["learningRate"], momentum=options["momentum"])


def run(name, optimizer_name, data, dtype, threads=2, onednn=True, memory_format=torch.contiguous_format):
    """Ten steps with one of HEADS. Everything is returned as fp64 numpy arrays in our layout."""
    torch.set_num_threads(threads)
    images, labels, mean, std = data
    head = Head(HEADS[name])
    initial = initial_tensors(head, SEEDS[name])
    p = network.torch_tensors(initial, dtype, network.BACKBONE + head.trained())
    trained = {name: tensor for name, tensor in p.items() if tensor.requires_grad}
    optimizer = make_optimizer(optimizer_name, trained)

    def batch(step):
        rows = slice(step * BATCH_SIZE, (step + 1) * BATCH_SIZE)
        x = (images[rows].astype(np.float64) / 255.0 - float(mean)) / float(std)
        return torch.tensor(x[:, None], dtype=dtype).contiguous(memory_format=memory_format)

    def read(tensors):
        return {n: network.from_torch(n, t.double().numpy().copy()) for n, t in tensors.items()}

    @torch.no_grad()
    def predict():
        """Embeddings and margin-free scores of the first batch."""
        x = network.embed(p, batch(0))
        scores = head.scores(x, p, p.get("head.runningMean"), p.get("head.runningVariance"))
        return x.double().numpy(), scores.double().numpy()

    result = {"losses": [], "past_pi": 0}
    with torch.backends.mkldnn.flags(enabled=onednn):
        result["embeddings"], result["scores"] = predict()
        for step in range(STEPS):
            y = torch.tensor(labels[step * BATCH_SIZE : (step + 1) * BATCH_SIZE].astype(np.int64))
            x = network.embed(p, batch(step))
            output = head.loss(x, y, p)
            optimizer.zero_grad()
            output.loss.backward()
            if step == 0:
                result["gradients"] = read({n: t.grad for n, t in trained.items()})
            optimizer.step()
            head.update_state(x, y, output.plain, p)
            result["losses"].append(output.loss.item())
            result["past_pi"] += int(output.past_pi)
        result["finalScores"] = predict()[1]
    moving = {n: t.detach() for n, t in p.items() if n != "head.weight" or t.requires_grad}
    result["moved"] = {n: final - initial[n] for n, final in read(moving).items()}
    return result


def vanishing(result):
    """Tensors whose gradient is nothing but rounding: batch normalisation of the logits takes away what a bias adds to
    every sample."""
    norms = {name: np.linalg.norm(array) for name, array in result["gradients"].items()}
    return [name for name, norm in norms.items() if norm < 1e-12 * max(norms.values())]


def significant(result, what):
    """Gradients, or ways moved, of the other tensors."""
    nothing = vanishing(result)
    return {name: array for name, array in result[what].items() if name not in nothing}


# Distance of fp32 from fp64, in the measures that the test uses -----------------------------------------------------


def distances(received, expected):
    """One number per stored quantity; per tensor for gradients and the way moved in ten steps."""
    loss = [abs(a - b) / b for a, b in zip(received["losses"], expected["losses"])]

    def each(what):
        return {n: stored.distance(received[what][n], array) for n, array in significant(expected, what).items()}

    return {
        **{what: stored.distance(received[what], expected[what]) for what in ("embeddings", "scores", "finalScores")},
        "firstLoss": loss[0],
        "losses": max(loss),
        "gradients": each("gradients"),
        "moved": each("moved"),
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


def make():
    philox.check_known_answers()
    data = load()
    images, labels, mean, std = data
    used = STEPS * BATCH_SIZE
    reference = {
        "about": "Made by make_reference.py; see README.md. Do not edit.",
        "madeWith": f"PyTorch {torch.__version__}, fp64",
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
        "optimizers": OPTIMIZERS,
        "tensors": {n: {"shape": list(s), "indices": stored.spread(math.prod(s))} for n, s in network.SHAPES.items()},
        "seeds": {},
        "heads": {},
        "fp32Noise": {},
    }
    for name, options in HEADS.items():
        for optimizer in OPTIMIZERS if name in WITH_ADAM else ["sgd"]:
            fp64 = run(name, optimizer, data, torch.float64)
            again = run(name, optimizer, data, torch.float64, threads=1)
            if largest(distances(again, fp64)) > 1e-12:
                raise AssertionError(f"{name}, {optimizer}: fp64 with one thread differs from two")
            noise = worst([distances(run(name, optimizer, data, torch.float32, **v), fp64) for v in FP32_VARIANTS])
            if largest(noise) > MOST_NOISE:
                raise AssertionError(f"{name}, {optimizer}: fp32 falls off a kink: choose another seed")
            # Before training, neither weights nor embeddings depend on the head; the first step not on the optimizer.
            reference["seeds"][str(SEEDS[name])] = {
                "initial": stored.digests(network.random_weights(SEEDS[name])),
                "embeddings": stored.digest(fp64["embeddings"]),
            }
            head = reference["heads"].setdefault(
                name,
                {
                    "options": options,
                    "seed": SEEDS[name],
                    "tensors": tensor_names(Head(options)),
                    "state": Head(options).state(),
                    "constants": initial_constants(Head(options)),
                    "vanishing": vanishing(fp64),
                    "scores": stored.digest(fp64["scores"]),
                    "gradients": stored.digests(significant(fp64, "gradients")),
                    "training": {},
                },
            )
            head["training"][optimizer] = {
                "losses": [stored.number(v) for v in fp64["losses"]],
                "samplesPastPi": fp64["past_pi"],
                "scores": stored.digest(fp64["finalScores"]),
                "moved": stored.digests(significant(fp64, "moved")),
            }
            reference["fp32Noise"][f"{name}, {optimizer}"] = noise
    print(stored.to_json(reference["fp32Noise"]), file=sys.stderr)
    return reference


if __name__ == "__main__":
    stored.main(__doc__, "reference.json", make)
