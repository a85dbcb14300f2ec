"""Every head in plain PyTorch, written as in papers, the margins by the angle itself; gradients are autograd's.

x: embeddings (N, D); w: class weights (C, D); y: labels (N); p: name → tensor, by the arena's names. Options have the
names and the defaults of the library.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F


def psi(u):
    """(-1)^k cos u - 2k for u in [k pi, (k + 1) pi]: continuous and falling."""
    k = torch.floor(u / math.pi)
    return torch.cos(u - k * math.pi) - 2 * k


def cosines(x, w):
    return F.normalize(x, dim=1) @ F.normalize(w, dim=1).T


def of_targets(matrix, y):
    return matrix.gather(1, y[:, None])[:, 0]


def angles(x, w, y):
    """theta between each sample and its class."""
    return torch.acos(of_targets(cosines(x, w), y))


# Presets: (margin-free logits (N, C); the target's logit with margin (N), or None; the margin's angle (N)) ------------


def softmax(x, w, y, bias=None):
    return F.linear(x, w, bias), None, None


def l2_softmax(x, w, y, bias=None, alpha=16.0, l2Scope="sample"):
    if alpha == 0:
        return softmax(x, w, y, bias)
    norm = x.norm() if l2Scope == "batch" else x.norm(dim=1, keepdim=True)
    return F.linear(alpha * x / norm, w, bias), None, None


def normface(x, w, y, s=16.0):
    return s * cosines(x, w), None, None


def l_softmax(x, w, y, m=4):
    u = m * angles(x, w, y)
    return x @ w.T, x.norm(dim=1) * w[y].norm(dim=1) * psi(u), u


def a_softmax(x, w, y, m=4):
    u = m * angles(x, w, y)
    return x @ F.normalize(w, dim=1).T, x.norm(dim=1) * psi(u), u


def am_softmax(x, w, y, s=30.0, m=0.35):
    theta = angles(x, w, y)
    return s * cosines(x, w), s * (torch.cos(theta) - m), theta


def arcface(x, w, y, s=30.0, m=0.5, wrap="continue", easyMargin=False, gradient="exact"):
    cosine = cosines(x, w)
    plain = of_targets(cosine, y)
    u = torch.acos(plain) + m
    factor = psi(u) if wrap == "continue" else torch.cos(u)
    if wrap == "linear":
        factor = torch.where(u > math.pi, plain - m * math.sin(m), factor)
    if easyMargin:
        factor = torch.where(plain > 0, factor, plain)
    if gradient == "detached":
        factor = plain + (factor - plain).detach()
    return s * cosine, s * factor, u


def combined(x, w, y, s=30.0, m1=1.0, m2=0.5, m3=0.0):
    u = m1 * angles(x, w, y) + m2
    return s * cosines(x, w), s * (psi(u) - m3), u


def pedcc(x, w, y, s=7.5, m=0.35):
    return am_softmax(x, w, y, s, m)


PRESETS = {
    "softmax": softmax,
    "l2-softmax": l2_softmax,
    "normface": normface,
    "l-softmax": l_softmax,
    "a-softmax": a_softmax,
    "am-softmax": am_softmax,
    "arcface": arcface,
    "combined": combined,
    "pedcc": pedcc,
}

NORMALIZES_FEATURES = {"l2-softmax", "normface", "am-softmax", "arcface", "combined", "pedcc"}


# A head from its options ---------------------------------------------------------------------------------------------


class Output(NamedTuple):
    loss: torch.Tensor
    logits: torch.Tensor  # as they enter the softmax
    plain: torch.Tensor  # the same without margin and without normalizer
    past_pi: torch.Tensor  # () samples whose margin's angle is past pi


def center_loss(x, y, centers, weight):
    return weight / 2 * ((x - centers[y]) ** 2).sum(1).mean()


def center_step(x, y, centers):
    """What the rate multiplies: the sum of c - x over the samples of a class, by one more than their number."""
    member = F.one_hot(y, len(centers)).to(x.dtype)
    count = member.sum(0)[:, None]
    return (count * centers - member.T @ x) / (1 + count)


def settings(option):
    """Those of an option that is nothing, a type alone, or an object with a type."""
    if option is None:
        return None
    return {} if isinstance(option, str) else {key: value for key, value in option.items() if key != "type"}


class Head:
    """A head from its options, as train() takes them."""

    def __init__(self, options):
        own = dict(options)
        self.name = own.pop("head")
        self.annealing = own.pop("lambda", 0.0)
        self.class_weights = own.pop("classWeights", None)
        self.label_smoothing = own.pop("labelSmoothing", 0.0)
        self.normalizer = settings(own.pop("logitNormalizer", None))
        self.center = settings(own.pop("auxiliary", None))
        self.has_bias = own.pop("bias", self.name in ("softmax", "l2-softmax", "center"))
        self.centroid_weight = own.pop("weight", 1.0) if self.name == "pedcc" else None
        # Two heads are softmax with what is an option of every head.
        if self.name == "center":
            self.name, self.center, own = "softmax", own, {}
        if self.name == "scaled-bn":
            self.name, self.normalizer, own = "softmax", own, {}
        self.own = own
        self.learned = next((key for key, value in own.items() if isinstance(value, dict)), None)
        self.initial_scale = own[self.learned]["init"] if self.learned else None
        self.on_sphere = self.name in NORMALIZES_FEATURES and own.get("l2Scope") != "batch"

    def trained(self):
        """Names of the parameters, in arena order."""
        present = {
            "head.weight": self.centroid_weight is None,
            "head.bias": self.has_bias,
            "head.scale": self.learned is not None,
        }
        return [name for name, there in present.items() if there]

    def state(self):
        """Names of what training reads or changes without a gradient, in arena order."""
        present = {
            "head.centers": self.center is not None,
            "head.runningMean": self.normalizer is not None,
            "head.runningVariance": self.normalizer is not None,
            "head.weight": self.centroid_weight is not None,
        }
        return [name for name, there in present.items() if there]

    def preset(self, x, y, p):
        options = dict(self.own)
        if self.has_bias:
            options["bias"] = p["head.bias"]
        if self.learned:
            options[self.learned] = p["head.scale"]
        return PRESETS[self.name](x, p["head.weight"], y, **options)

    def normalized(self, logits, mean, variance):
        """Statistics are those of margin-free logits, also for logits with margin."""
        if self.normalizer is None:
            return logits
        m, epsilon = self.normalizer.get("m", 1.0), self.normalizer.get("epsilon", 1e-5)
        return m * (logits - mean) / torch.sqrt(variance + epsilon)

    def loss(self, x, y, p):
        plain, target, u = self.preset(x, y, p)
        logits = plain
        if target is not None:
            annealed = (self.annealing * of_targets(plain, y) + target) / (1 + self.annealing)
            logits = plain.scatter(1, y[:, None], annealed[:, None])
        variance, mean = torch.var_mean(plain, dim=0, correction=0)
        logits = self.normalized(logits, mean, variance)
        class_weights = None if self.class_weights is None else x.new_tensor(self.class_weights)
        loss = F.cross_entropy(logits, y, weight=class_weights, label_smoothing=self.label_smoothing)
        if self.center is not None:
            loss = loss + center_loss(self.located(x), y, p["head.centers"], self.center.get("weight", 0.01))
        if self.centroid_weight is not None:
            centroids = F.normalize(p["head.weight"], dim=1)
            loss = loss + self.centroid_weight * ((self.located(x) - centroids[y]) ** 2).sum(1).mean()
        return Output(loss, logits, plain, torch.zeros_like(y[0]) if u is None else (u > math.pi).sum())

    def located(self, x):
        """Where a sample stands for centers and centroids."""
        return F.normalize(x, dim=1) if self.on_sphere else x

    def scores(self, x, p, mean, variance):
        """Margin-free, as predicted: the norm of a whole batch is left out."""
        if self.own.get("l2Scope") == "batch":
            return F.linear(x, p["head.weight"], p["head.bias"] if self.has_bias else None)
        any_label = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        return self.normalized(self.preset(x, any_label, p)[0], mean, variance)

    @torch.no_grad()
    def update_state(self, x, y, plain, p):
        """After a step on embeddings x."""
        if self.center is not None:
            p["head.centers"] -= self.center.get("rate", 0.5) * center_step(self.located(x), y, p["head.centers"])
        if self.normalizer is not None:
            F.batch_norm(plain, p["head.runningMean"], p["head.runningVariance"], training=True, momentum=0.1)
