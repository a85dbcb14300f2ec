"""Ten steps of a network with a head in PyTorch, what fp32 costs in them, and how both are written down."""

import gzip
import hashlib
import math
import os
from typing import NamedTuple

import numpy as np
import torch

import stored
from heads import Head
from network import Network

SAMPLE = os.path.join(stored.HERE, "..", "..", "datasets", "fashion-mnist-sample")

BATCH_SIZE = 8
STEPS = 10

OPTIMIZERS = {
    "sgd": {"learningRate": 0.01, "momentum": 0.9, "weightDecay": 5e-4},
    "adam": {"learningRate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
}

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


class Case(NamedTuple):
    network: Network
    options: dict  # the head's, as the library takes them
    seed: int


def make_optimizer(network, name, trained):
    options = OPTIMIZERS[name]
    if name == "adam":
        betas = (options["beta1"], options["beta2"])
        return torch.optim.Adam(trained.values(), lr=options["learningRate"], betas=betas, eps=options["epsilon"])
    groups = [
        {"params": [t for n, t in trained.items() if network.decays(n)], "weight_decay": options["weightDecay"]},
        {"params": [t for n, t in trained.items() if not network.decays(n)], "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=options["learningRate"], momentum=options["momentum"])


def run(case, optimizer_name, data, dtype, threads=2, onednn=True, memory_format=torch.contiguous_format):
    """Ten steps. Everything is returned as fp64 numpy arrays in our layout."""
    torch.set_num_threads(threads)
    images, labels, mean, std = data
    network, head = case.network, Head(case.options)
    initial = network.initial_tensors(head, case.seed)
    p = network.torch_tensors(initial, dtype, network.backbone + head.trained())
    trained = {name: tensor for name, tensor in p.items() if tensor.requires_grad}
    optimizer = make_optimizer(network, optimizer_name, trained)

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
            x = network.embed(p, batch(step), training=True)
            output = head.loss(x, y, p)
            optimizer.zero_grad()
            output.loss.backward()
            if step == 0:
                result["gradients"] = read({n: t.grad for n, t in trained.items()})
            optimizer.step()
            head.update_state(x, y, output.plain, p)
            result["losses"].append(output.loss.item())
            result["past_pi"] += int(output.past_pi)
        result["finalEmbeddings"], result["finalScores"] = predict()
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


# The limit of each, in tolerances.json.
LIMITS = {
    "embeddings": "embeddings",
    "scores": "scores",
    "finalEmbeddings": "scores",
    "finalScores": "scores",
    "firstLoss": "firstLoss",
    "losses": "losses",
}


def kind_of_moved(network, optimizer, name):
    """The limit of the way that a tensor goes."""
    if optimizer == "adam":
        return "movedAdam"
    if name.endswith(".bias"):
        return "movedBiases"
    if network.decays(name):
        return "movedWeights"
    return "movedScales" if name.endswith(".weight") else "movedRest"


MATRICES = ("embeddings", "scores", "finalEmbeddings", "finalScores")


def distances(received, expected):
    """One number per stored quantity; per tensor for gradients and the way moved in ten steps."""
    loss = [abs(a - b) / b for a, b in zip(received["losses"], expected["losses"])]

    def each(what):
        return {n: stored.distance(received[what][n], array) for n, array in significant(expected, what).items()}

    return {
        **{what: stored.distance(received[what], expected[what]) for what in MATRICES},
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


def measure(case, optimizer, data, most_noise):
    """The run in fp64, and how far fp32 is from it at worst."""
    fp64 = run(case, optimizer, data, torch.float64)
    again = run(case, optimizer, data, torch.float64, threads=1)
    if largest(distances(again, fp64)) > 1e-12:
        raise AssertionError("fp64 with one thread differs from two")
    noise = worst([distances(run(case, optimizer, data, torch.float32, **v), fp64) for v in FP32_VARIANTS])
    if largest(noise) > most_noise:
        raise AssertionError("fp32 falls off a kink: choose another seed")
    return fp64, noise


# What is stored -----------------------------------------------------------------------------------------------------


def about(script, data):
    """What every file begins with."""
    images, labels, mean, std = data
    used = STEPS * BATCH_SIZE
    return {
        "about": f"Made by {script}; see README.md. Do not edit.",
        "madeWith": f"PyTorch {torch.__version__}, fp64",
        "batchSize": BATCH_SIZE,
        "data": {
            "count": len(images),
            "mean": float(mean),
            "std": float(std),
            "firstLabels": labels[:used].tolist(),
            "firstImagesSha256": hashlib.sha256(images[:used].tobytes()).hexdigest(),
        },
        "optimizers": OPTIMIZERS,
    }


def of_network(network, cases, optimizers, data, most_noise):
    """Everything of one network. cases: name of the head → Case; optimizers: the same → names."""
    tensors = {n: {"shape": list(s), "indices": stored.spread(math.prod(s))} for n, s in network.shapes.items()}
    stored_network = {"embeddingSize": network.embedding_size, "tensors": tensors, "seeds": {}, "heads": {}}
    noise_of = stored_network["fp32Noise"] = {}
    for name, case in cases.items():
        head = Head(case.options)
        for optimizer in optimizers[name]:
            try:
                fp64, noise = measure(case, optimizer, data, most_noise)
            except AssertionError as error:
                raise AssertionError(f"{name}, {optimizer}, seed {case.seed}: {error}") from error
            # Before training, neither weights nor embeddings depend on the head; the first step not on the optimizer.
            stored_network["seeds"][str(case.seed)] = {
                "initial": stored.digests(network.random_weights(case.seed)),
                "embeddings": stored.digest(fp64["embeddings"]),
            }
            stored_head = stored_network["heads"].setdefault(
                name,
                {
                    "options": case.options,
                    "seed": case.seed,
                    "tensors": network.tensor_names(head),
                    "state": network.statistics + head.state(),
                    "constants": network.constants(head),
                    "vanishing": vanishing(fp64),
                    "scores": stored.digest(fp64["scores"]),
                    "gradients": stored.digests(significant(fp64, "gradients")),
                    "training": {},
                },
            )
            stored_head["training"][optimizer] = {
                "losses": [stored.number(v) for v in fp64["losses"]],
                "samplesPastPi": fp64["past_pi"],
                "embeddings": stored.digest(fp64["finalEmbeddings"]),
                "scores": stored.digest(fp64["finalScores"]),
                "moved": stored.digests(significant(fp64, "moved")),
            }
            noise_of[f"{name}, {optimizer}"] = noise
    return stored_network
