"""Writes train_reference.json: what `train()` must give for a user's options, computed in fp64 by PyTorch.

    python make_train_reference.py [--out FILE]    makes the file
    python make_train_reference.py --check         compares a new computation with the committed file

README.md beside this file describes the contents.
"""

import hashlib
import math
import sys

import numpy as np
import torch
import torch.nn.functional as F

import philox
import stored
import train_rules as rules
import training
from heads import Head
from network import NUM_CLASSES, Network
from train_cases import BATCH_SIZE, CASES, EPOCHS, OPTIMIZER_DEFAULTS, SEEDS

POOLED = (2, 2, 64)  # H, W, C before the embedding


def seed_cnn(p, images, _):
    x = F.max_pool2d(F.relu(F.conv2d(images, p["conv1.weight"], p["conv1.bias"])), 2)
    x = F.max_pool2d(F.relu(F.conv2d(x, p["conv2.weight"], p["conv2.bias"])), 2)
    return F.linear(x.flatten(1), p["embedding.weight"], p["embedding.bias"])


# models.seedCnn({ embeddingSize: 16 }) for images of 16×16×2
NETWORK = Network(
    {
        "conv1.weight": (32, 5, 5, 2),
        "conv1.bias": (32,),
        "conv2.weight": (64, 3, 3, 32),
        "conv2.bias": (64,),
        "embedding.weight": (16, int(np.prod(POOLED))),
        "embedding.bias": (16,),
    },
    seed_cnn,
    embedding_size=16,
    flattened=("embedding", POOLED),
)

MOST_NOISE = 1e-5

# One thread: a step is so small that two would spend their time on waiting for each other.
FP32_VARIANTS = [variant for variant in training.FP32_VARIANTS if variant["threads"] == 1]

# Options of a run; all others are the head's.
RUN_OPTIONS = ("optimizer", "learningRate", "clipGradients", "normalize", "validation", "epochs", "batchSize", "seed")
# Options of a head that are values over a run, or noise: they are taken apart here.
HEAD_OPTIONS_OF_A_RUN = ("headLr", "marginWarmup", "lambda", "featureDropout")


def load():
    """The sample's training images, two parts of each as channels: 16×16×2. The second is inverted, so that channels
    differ in mean and standard deviation. And their labels."""
    images = training.read_idx("train-images-idx3-ubyte")
    labels = training.read_idx("train-labels-idx1-ubyte")
    two = np.stack([images[:, 6:22, 6:22], 255 - images[:, 2:18, 10:26]], axis=-1)
    return two, labels.astype(np.int64)


def divide(images, data):
    """Consecutive stretches of the data: name → (images, labels)."""
    parts, first = {}, 0
    for name, count in images.items():
        parts[name] = tuple(array[first : first + count] for array in data)
        first += count
    return parts


def make_optimizer(option, trained, head_lr):
    kind = option if isinstance(option, str) else option["type"]
    given = {} if isinstance(option, str) else option
    values = {**OPTIMIZER_DEFAULTS[kind], **given}
    groups = [
        {
            "params": [tensor],
            "weight_decay": values["weightDecay"] if NETWORK.decays(name) else 0.0,
            "factor": head_lr if name.startswith("head.") else 1.0,
        }
        for name, tensor in trained.items()
    ]
    if kind == "sgd":
        momentum, nesterov = values["momentum"], values["nesterov"]
        return torch.optim.SGD(groups, lr=0.0, momentum=momentum, nesterov=nesterov)
    one = torch.optim.Adam if kind == "adam" else torch.optim.AdamW
    return one(groups, lr=0.0, betas=(values["beta1"], values["beta2"]), eps=values["epsilon"])


def make_scheduler(option, optimizer, total):
    """PyTorch's own scheduler, where it has that schedule; otherwise train_rules.py has the rate."""
    if not isinstance(option, dict) or option["type"] != "oneCycle":
        return None
    momentum = option.get("momentum", {})
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=[option["peak"] * group["factor"] for group in optimizer.param_groups],
        total_steps=total,
        pct_start=option.get("rise", 0.3),
        anneal_strategy={"cosine": "cos", "linear": "linear"}[option.get("anneal", "cosine")],
        cycle_momentum="momentum" in option,
        base_momentum=momentum.get("base", 0.85),
        max_momentum=momentum.get("max", 0.95),
        div_factor=option.get("divFactor", 25.0),
        final_div_factor=option.get("finalDivFactor", 1e4),
    )


def momentum_of(group):
    return group["betas"][0] if "betas" in group else group["momentum"]


def percentiles(values):
    """The values that 5 %, 50 % and 95 % lie below: of the sorted, the nearest."""
    ordered = np.sort(values)
    return [float(ordered[math.floor(share * (len(ordered) - 1) + 0.5)]) for share in (0.05, 0.5, 0.95)]


def head_statistics(x, w, y):
    cosine = F.normalize(x, dim=1) @ F.normalize(w, dim=1).T
    own = F.one_hot(y, NUM_CLASSES).bool()
    degrees = torch.rad2deg(torch.acos(cosine))
    return {
        "targetAngle": percentiles(degrees[own].numpy()),
        "nearestOtherAngle": percentiles(degrees.masked_fill(own, 180.0).min(1).values.numpy()),
        "featureNorm": percentiles(x.norm(dim=1).numpy()),
        "weightNorm": percentiles(w.norm(dim=1).numpy()),
    }


def centre_angles(x, y):
    """Mean angle, in degrees, of embeddings to their class's mean direction, and of these to the nearest other."""
    unit = F.normalize(x, dim=1)
    present = y.unique()
    centres = F.normalize(torch.stack([unit[y == label].sum(0) for label in present]), dim=1)
    own = torch.rad2deg(torch.acos((unit * centres[torch.searchsorted(present, y)]).sum(1)))
    between = (centres @ centres.T).fill_diagonal_(-1.0).max(1).values
    return {
        "ownCentreMean": own.mean().item(),
        "nearestOtherCentreMean": torch.rad2deg(torch.acos(between)).mean().item(),
    }


def run(case, seed, data, dtype, threads=1, onednn=True, memory_format=torch.contiguous_format):
    """The whole of train(). What is stored comes as fp64 numpy arrays in our layout and as numbers."""
    torch.set_num_threads(threads)
    options = case["options"]
    parts = divide(case["images"], data)
    images, labels = parts["train"]
    held_out = None
    if "validation" in options:
        kept, numbers = rules.hold_out(labels.tolist(), options["validation"])
        held_out = images[numbers], labels[numbers]
        images, labels = images[kept], labels[kept]
    held_out = parts.get("validation", held_out)
    mean, std = rules.channel_statistics(images, options.get("normalize", "dataset"))

    head = Head({k: v for k, v in options.items() if k not in RUN_OPTIONS + HEAD_OPTIONS_OF_A_RUN})
    margins, dropout = head.own, options.get("featureDropout", 0.0)
    initial = NETWORK.initial_tensors(head, seed)
    p = NETWORK.torch_tensors(initial, dtype, NETWORK.backbone + head.trained())
    trained = {name: tensor for name, tensor in p.items() if tensor.requires_grad}
    optimizer = make_optimizer(options["optimizer"], trained, options.get("headLr", 1.0))

    def pixels(some):
        x = (some.astype(np.float64) / 255.0 - mean.astype(np.float64)) / std.astype(np.float64)
        return torch.tensor(x.transpose(0, 3, 1, 2), dtype=dtype).contiguous(memory_format=memory_format)

    @torch.no_grad()
    def score(some, own):
        """Embeddings, margin-free scores, and what is said of them."""
        x = NETWORK.embed(p, pixels(some))
        scores = head.scores(x, p, p.get("head.runningMean"), p.get("head.runningVariance"))
        y = torch.tensor(own)
        accuracy = (scores.argmax(1) == y).double().mean().item()
        return x.double(), scores.double(), {"accuracy": accuracy, "loss": F.cross_entropy(scores, y).item()}

    epochs, batch_size = options.get("epochs", EPOCHS), options.get("batchSize", BATCH_SIZE)
    plan = [rules.batches(seed, epoch, len(images), batch_size, head.normalizer is not None) for epoch in range(epochs)]
    total = sum(len(steps) for steps in plan)
    scheduler = make_scheduler(options["learningRate"], optimizer, total)
    moves_momentum = scheduler is not None and "momentum" in options["learningRate"]
    result = {"steps": [], "epochs": []}
    with torch.backends.mkldnn.flags(enabled=onednn):
        for epoch, batches in enumerate(plan):
            sums = {"loss": 0.0, "correct": 0}
            for rows in batches:
                step = len(result["steps"])
                if scheduler is None:
                    rate = rules.learning_rate(options["learningRate"], step, total, epochs)
                    for group in optimizer.param_groups:
                        group["lr"] = rate * group["factor"]
                group = optimizer.param_groups[0]
                rate, momentum = group["lr"] / group["factor"], momentum_of(group)
                head.annealing = rules.annealed_lambda(options.get("lambda", 0.0), step, total)
                share = rules.ramp(options.get("marginWarmup", 0.0), step, total)
                head.own = rules.partial_margin(head.name, margins, share)
                y = torch.tensor(labels[rows])
                x = NETWORK.embed(p, pixels(images[rows]), training=True)
                if dropout > 0:
                    x = x * torch.tensor(rules.dropout_factors(seed, step, tuple(x.shape), dropout), dtype=dtype)
                output = head.loss(x, y, p)
                output.logits.retain_grad()
                optimizer.zero_grad()
                output.loss.backward()
                squares = [tensor.grad.double().square().sum().item() for tensor in trained.values()]
                if "clipGradients" in options:
                    torch.nn.utils.clip_grad_norm_(trained.values(), options["clipGradients"])
                optimizer.step()
                if scheduler is not None and step + 1 < total:
                    scheduler.step()
                head.update_state(x, y, output.plain, p)
                variance, average = torch.var_mean(output.plain, dim=0, correction=0)
                correct = int((head.normalized(output.plain, average, variance).argmax(1) == y).sum())
                result["steps"].append(
                    {
                        "learningRate": rate,
                        **({"momentum": momentum} if moves_momentum else {}),
                        "lambda": head.annealing,
                        "marginRamp": share,
                        "loss": output.loss.item(),
                        "gradientNorm": math.sqrt(sum(squares)),
                        "logitGradientNorm": output.logits.grad.norm().item(),
                        "correct": correct,
                        "samples": len(rows),
                        "pastPi": int(output.past_pi),
                    }
                )
                sums["loss"] += output.loss.item() * len(rows)
                sums["correct"] += correct
            some = rules.measured(len(images))
            x = score(images[some], labels[some])[0]
            record = {
                "loss": sums["loss"] / len(images),
                "accuracy": sums["correct"] / len(images),
                "head": head_statistics(x, p["head.weight"].detach().double(), torch.tensor(labels[some])),
            }
            result["epochs"].append({**record, "validation": score(*held_out)[2]} if held_out else record)
        if "test" in parts:
            x, scores, result["test"] = score(*parts["test"])
            result["angles"] = centre_angles(x, torch.tensor(parts["test"][1]))
            result["embeddings"] = x.numpy()
            result["probabilities"] = scores.softmax(1).numpy()
    result["initial"] = {name: array for name, array in initial.items() if NETWORK.decays(name)}
    final = {n: NETWORK.from_torch(n, t.detach().double().numpy().copy()) for n, t in p.items()}
    result["moved"] = {n: final[n] - initial[n] for n in final}
    result["mean"], result["std"] = mean, std
    return result


# Distance of fp32 from fp64 -----------------------------------------------------------------------------------------


def relative(received, expected):
    return abs(received - expected) / abs(expected)


def noise(received, expected):
    """By the limits of tolerances.json: the worst of each."""
    found = {}

    def add(limit, *values):
        found[limit] = max(found.get(limit, 0.0), *values)

    def add_scores(limit, a, b):
        add(limit, relative(a["loss"], b["loss"]))

    for a, b in zip(received["steps"], expected["steps"]):
        add("losses", relative(a["loss"], b["loss"]))
        for name in ("gradientNorm", "logitGradientNorm"):
            add("norms", relative(a[name], b[name]))
        if (a["correct"], a["pastPi"]) != (b["correct"], b["pastPi"]):
            raise AssertionError("counts differ")
    for a, b in zip(received["epochs"], expected["epochs"]):
        add_scores("losses", a, b)
        for name in b["head"]:
            add("statistics", *(relative(c, d) for c, d in zip(a["head"][name], b["head"][name])))
        if "validation" in b:
            add_scores("scores", a["validation"], b["validation"])
            if a["validation"]["accuracy"] != b["validation"]["accuracy"]:
                raise AssertionError("accuracies differ")
    if "test" in expected:
        add_scores("scores", received["test"], expected["test"])
        for name in ("embeddings", "probabilities"):
            add("scores", stored.distance(received[name], expected[name]))
        for name, value in expected["angles"].items():
            add("statistics", relative(received["angles"][name], value))
    for name, array in expected["moved"].items():
        kind = "movedWeights" if NETWORK.decays(name) else "movedRest"
        add(kind, stored.distance(received["moved"][name], array))
    return found


def measure(case, seed, data):
    """The run in fp64, and how far fp32 is from it at worst. Raises AssertionError where a kink is near."""
    fp64 = run(case, seed, data, torch.float64)
    worst = {}
    for variant in FP32_VARIANTS:
        for limit, value in noise(run(case, seed, data, torch.float32, **variant), fp64).items():
            worst[limit] = max(worst.get(limit, 0.0), value)
        if max(worst.values()) > MOST_NOISE:
            raise AssertionError(f"fp32 falls off a kink ({max(worst.values()):.1e}): choose another seed")
    return fp64, {limit: float(f"{value:.2g}") for limit, value in worst.items()}


# What is stored -----------------------------------------------------------------------------------------------------


def numbers(tree):
    """With nine digits; counts stay whole."""
    if isinstance(tree, dict):
        return {key: numbers(value) for key, value in tree.items()}
    if isinstance(tree, (list, np.ndarray)):
        return [numbers(value) for value in tree]
    return tree if isinstance(tree, int) else stored.number(tree)


def columns(rows):
    """A list of records as a record of lists: one line of the file each."""
    return {key: [row[key] for row in rows] for key in rows[0]}


def result_of(name, data):
    case, seed = CASES[name], SEEDS[name]
    test = divide(case["images"], data).get("test")
    if test and np.bincount(test[1]).min() < 2:
        raise AssertionError(f"{name}: the angle between a sole image of a class and its centre is all rounding")
    try:
        fp64, noise_of = measure(case, seed, data)
    except AssertionError as error:
        raise AssertionError(f"{name}, seed {seed}: {error}") from error
    options = {"epochs": EPOCHS, "batchSize": BATCH_SIZE, "seed": seed, **case["options"]}
    record = {
        "images": case["images"],
        "options": options,
        "noise": noise_of,
        "steps": numbers(columns(fp64["steps"])),
        "epochs": numbers(fp64["epochs"]),
        "normalization": numbers({"mean": fp64["mean"], "std": fp64["std"]}),
        "initial": stored.digests(fp64["initial"]),
        "moved": stored.digests(fp64["moved"]),
    }
    if "test" in fp64:
        record["test"] = numbers(fp64["test"])
        record["angles"] = numbers(fp64["angles"])
        record["embeddings"] = stored.digest(fp64["embeddings"])
        record["probabilities"] = stored.digest(fp64["probabilities"])
    return record


def make():
    philox.check_known_answers()
    data = load()
    used = max(sum(case["images"].values()) for case in CASES.values())
    reference = {
        "about": "Made by make_train_reference.py; see README.md. Do not edit.",
        "madeWith": f"PyTorch {torch.__version__}, fp64",
        "imagesSha256": hashlib.sha256(data[0][:used].tobytes()).hexdigest(),
        "imagesUsed": used,
        "cases": {name: result_of(name, data) for name in CASES},
    }
    for name, case in reference["cases"].items():
        print(f"{name}: {case['noise']}", file=sys.stderr)
    return reference


if __name__ == "__main__":
    stored.main(__doc__, "train_reference.json", make)
