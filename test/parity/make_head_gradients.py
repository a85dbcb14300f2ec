"""Writes head_gradients.json: loss, logits, scores and gradients of whole heads, by heads.py in fp64 and, where it has
the head, by pytorch-metric-learning, with which heads.py must agree.

    python make_head_gradients.py [--out FILE]    makes the file
    python make_head_gradients.py --check         compares a new computation with the committed file
"""

import math
import sys

import torch
from pytorch_metric_learning import __version__ as pml_version
from pytorch_metric_learning import losses as pml

import head_inputs
import stored
from heads import Head, center_step, cosines

LEARN = {"learn": True, "init": 16.0}
SCALED_BN = {"logitNormalizer": "scaled-bn"}
CENTER = {"auxiliary": {"type": "center", "weight": 0.3}, "centers": True}

# Options as headLoss() takes them, with True for an array of the inputs; λ in force.
HEADS = [
    ({"head": "softmax"}, 0),
    ({"head": "softmax", "bias": True}, 0),
    ({"head": "softmax", "bias": True, "classWeights": True, "labelSmoothing": 0.1}, 0),
    ({"head": "softmax", **SCALED_BN}, 0),
    ({"head": "softmax", "bias": True, **CENTER}, 0),
    ({"head": "l2-softmax", "bias": True}, 0),
    ({"head": "l2-softmax", "alpha": 5.0}, 0),
    ({"head": "l2-softmax", "alpha": 0}, 0),
    ({"head": "l2-softmax", "bias": True, "alpha": LEARN}, 0),
    ({"head": "l2-softmax", "bias": True, "l2Scope": "batch"}, 0),
    ({"head": "l2-softmax", "bias": True, "l2Scope": "batch", "alpha": LEARN}, 0),
    ({"head": "l2-softmax", "bias": True, **CENTER}, 0),
    ({"head": "normface"}, 0),
    ({"head": "normface", "s": LEARN}, 0),
    *[({"head": "l-softmax", "m": m}, 0) for m in (1, 2, 3, 4, 7)],
    *[({"head": "l-softmax", "m": m}, 5) for m in (2, 4)],
    ({"head": "l-softmax", "classWeights": True, "labelSmoothing": 0.1}, 5),
    ({"head": "l-softmax", **SCALED_BN}, 5),
    *[({"head": "a-softmax", "m": m}, 0) for m in (1, 2, 3, 4)],
    ({"head": "a-softmax"}, 5),
    ({"head": "am-softmax"}, 0),
    ({"head": "am-softmax", "s": LEARN, "m": 0.2}, 0),
    ({"head": "arcface"}, 0),
    ({"head": "arcface"}, 5),
    ({"head": "arcface", "m": 0}, 0),
    ({"head": "arcface", "s": 8.0, "m": 1.2}, 0),
    ({"head": "arcface", "wrap": "linear"}, 0),
    ({"head": "arcface", "wrap": "none"}, 0),
    ({"head": "arcface", "easyMargin": True}, 0),
    ({"head": "arcface", "gradient": "detached"}, 0),
    ({"head": "arcface", "gradient": "detached", "wrap": "linear", "s": LEARN}, 0),
    ({"head": "arcface", "s": LEARN}, 0),
    ({"head": "arcface", "classWeights": True, "labelSmoothing": 0.1}, 0),
    ({"head": "arcface", "s": 16.0, "logitNormalizer": {"type": "scaled-bn", "m": 0.8, "epsilon": 1e-3}}, 0),
    ({"head": "arcface", **CENTER}, 0),
    ({"head": "combined"}, 0),
    ({"head": "combined", "m2": 0, "m3": 0.35}, 0),
    ({"head": "combined", "m1": 4, "m2": 0}, 0),
    ({"head": "combined", "m1": 1.35, "m2": 0}, 0),
    ({"head": "combined", "s": LEARN, "m1": 1.2, "m2": 0.4, "m3": 0.1}, 0),
    ({"head": "combined", "m1": 2, "m2": 0.3, "m3": 0.1}, 5),
    ({"head": "pedcc"}, 0),
    ({"head": "pedcc", "s": 12.0, "m": 0.2, "weight": 0.3}, 0),
    ({"head": "center", "bias": True, "centers": True}, 0),
    ({"head": "center", "weight": 0.5}, 0),
    ({"head": "scaled-bn"}, 0),
    ({"head": "scaled-bn", "m": 0.8, "epsilon": 1e-3, **CENTER}, 0),
]

# The same in pytorch-metric-learning: angles in degrees, a temperature instead of a scale, no λ.
PML_HEADS = [
    ({"head": "normface"}, lambda c, d: pml.NormalizedSoftmaxLoss(c, d, temperature=1 / 16.0)),
    ({"head": "l-softmax", "m": 2}, lambda c, d: pml.LargeMarginSoftmaxLoss(c, d, margin=2, scale=1)),
    ({"head": "l-softmax", "m": 3}, lambda c, d: pml.LargeMarginSoftmaxLoss(c, d, margin=3, scale=1)),
    ({"head": "l-softmax", "m": 4}, lambda c, d: pml.LargeMarginSoftmaxLoss(c, d, margin=4, scale=1)),
    ({"head": "a-softmax", "m": 2}, lambda c, d: pml.SphereFaceLoss(c, d, margin=2, scale=1)),
    ({"head": "a-softmax", "m": 4}, lambda c, d: pml.SphereFaceLoss(c, d, margin=4, scale=1)),
    ({"head": "am-softmax"}, lambda c, d: pml.CosFaceLoss(c, d, margin=0.35, scale=30)),
    ({"head": "arcface", "wrap": "linear"}, lambda c, d: pml.ArcFaceLoss(c, d, margin=math.degrees(0.5), scale=30)),
]
MOST_DIFFERENCE = 1e-9


def applies(options, size):
    """One sample has no variance."""
    normalized = options["head"] == "scaled-bn" or "logitNormalizer" in options
    return not (normalized and size.startswith("1x"))


def ours(options, annealing, inputs):
    """name → fp64 array of everything that headLoss() gives."""
    x, y, p = tensors(inputs)
    own = {**options, "lambda": annealing, "bias": "bias" in options}
    if not own.pop("centers", False):
        p["head.centers"] = torch.zeros_like(p["head.weight"])
    if "classWeights" in own:
        own["classWeights"] = inputs["classWeights"].tolist()
    head = Head(own)
    if head.learned:
        p["head.scale"] = torch.tensor([head.initial_scale], dtype=torch.float64, requires_grad=True)
    output = head.loss(x, y, p)
    output.loss.backward()
    variance, mean = torch.var_mean(output.plain, dim=0, correction=0)
    results = {
        "loss": output.loss,
        "logits": output.logits,
        "scores": head.scores(x, p, mean, variance),
        "dFeatures": x.grad,
        "dWeights": p["head.weight"].grad,
    }
    if "head.weight" in head.state():
        results["dWeights"] = torch.zeros_like(results["dWeights"])
    if head.has_bias:
        results["dBias"] = p["head.bias"].grad
    if head.learned:
        results["dScale"] = p["head.scale"].grad
    if head.center is not None:
        results["dCenters"] = center_step(head.located(x), y, p["head.centers"])
    return finished(results, inputs["labels"])


def theirs(make, inputs):
    """name → fp64 array of what pytorch-metric-learning gives."""
    x, y, p = tensors(inputs)
    head = make(*inputs["weights"].shape)
    head.W.data = p["head.weight"].detach().T.contiguous()  # (D, C)
    loss = head(x, y)
    loss.backward()
    results = {"loss": loss, "scores": head.get_logits(x), "dFeatures": x.grad, "dWeights": head.W.grad.T.contiguous()}
    return finished(results, inputs["labels"])


def tensors(inputs):
    def tensor(name):
        return torch.tensor(inputs[name], dtype=torch.float64)

    p = {
        "head.weight": tensor("weights").requires_grad_(),
        "head.bias": tensor("bias").requires_grad_(),
        "head.centers": tensor("centers"),
    }
    return tensor("features").requires_grad_(), torch.tensor(inputs["labels"], dtype=torch.int64), p


def finished(results, labels):
    """As numpy arrays. Of many classes a digest can miss the few that are targets, or hold one entry of theirs that
    outweighs all others: there they are kept apart."""
    arrays = {name: tensor.detach().numpy() for name, tensor in results.items()}
    if len(arrays["dWeights"]) <= stored.ENTRIES:
        return arrays
    places = {"logits": (range(len(labels)), labels), "dWeights": labels, "dCenters": labels}
    for name in places.keys() & arrays.keys():
        others = arrays.pop(name).copy()
        arrays[f"{name}OfTargets"] = others[places[name]]
        others[places[name]] = 0.0
        arrays[f"{name}OfOthers"] = others
    return arrays


def title(options, annealing, source):
    def words(key, value):
        if isinstance(value, dict):
            return " ".join([key] + [name if one is True else str(one) for name, one in value.items()])
        return key if value is True else f"{key} {value}"

    own = [words(key, value) for key, value in options.items() if key != "head"]
    return ", ".join([options["head"], *own, *([f"lambda {annealing}"] if annealing else []), *source])


def make():
    sizes = {name: head_inputs.make(*size) for name, size in head_inputs.SIZES.items()}
    cases = {}
    for options, annealing in HEADS:
        results = {n: stored.digests(ours(options, annealing, i)) for n, i in sizes.items() if applies(options, n)}
        cases[title(options, annealing, [])] = {"options": options, "lambda": annealing, "results": results}
    for options, make_theirs in PML_HEADS:
        results = {}
        for name, inputs in sizes.items():
            own, other = ours(options, 0, inputs), theirs(make_theirs, inputs)
            difference = max(stored.distance(own[key], array) for key, array in other.items())
            print(f"pytorch-metric-learning, {options}, {name}: {difference:.1e}", file=sys.stderr)
            if not difference < MOST_DIFFERENCE:
                raise AssertionError("heads.py and pytorch-metric-learning differ")
            results[name] = stored.digests(other)
        cases[title(options, 0, ["pytorch-metric-learning"])] = {"options": options, "lambda": 0, "results": results}
    return {
        "about": "Made by make_head_gradients.py; see README.md. Do not edit.",
        "madeWith": f"PyTorch {torch.__version__}, pytorch-metric-learning {pml_version}, fp64",
        "angles": {str(angle): list(pair) for angle, pair in head_inputs.ANGLES.items()},
        "lengths": list(head_inputs.LENGTHS),
        "sizes": {
            name: {
                "classes": classes,
                "embedding": embedding,
                "angles": list(angles),
                "sha256": head_inputs.checksum(sizes[name]),
                "cosTheta": stored.digest(
                    cosines(*(torch.tensor(sizes[name][key]).double() for key in ("features", "weights"))).numpy()
                ),
            }
            for name, (classes, embedding, angles) in head_inputs.SIZES.items()
        },
        "cases": cases,
    }


if __name__ == "__main__":
    stored.main(__doc__, "head_gradients.json", make)
