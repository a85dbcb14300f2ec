"""Textbook heads. Only the target column gets the margin, which is less work than the usual one-hot blend."""

import math

import torch
from torch import nn
import torch.nn.functional as F


class Head(nn.Module):
    def __init__(self, classes, size):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(classes, size))
        nn.init.xavier_uniform_(self.weight)


class ArcFace(Head):
    def __init__(self, classes, size, s, m):
        super().__init__(classes, size)
        self.scale, self.margin = s, m

    def cosine(self, x):
        # Under autocast the matmul is in bf16; what the margin does to it is not.
        return F.linear(F.normalize(x), F.normalize(self.weight)).float()

    def scores(self, x):
        """What is predicted, without margin."""
        return self.scale * self.cosine(x)

    def forward(self, x, labels):
        margin, cosine = self.margin, self.cosine(x)
        target = cosine.gather(1, labels[:, None])
        sine = (1.0 - target * target).clamp(min=1e-7).sqrt()
        phi = target * math.cos(margin) - sine * math.sin(margin)
        phi = torch.where(target > math.cos(math.pi - margin), phi, target - math.sin(math.pi - margin) * margin)
        return F.cross_entropy(self.scale * cosine.scatter(1, labels[:, None], phi), labels)


class LSoftmax(Head):
    """m = 4: ψ(θ) = (−1)^k·cos 4θ − 2k for θ in [kπ/4, (k+1)π/4], and cos 4θ = 8c⁴ − 8c² + 1."""

    def __init__(self, classes, size, m, **options):
        super().__init__(classes, size)
        assert m == 4
        self.decay = options["lambda"]

    def forward(self, x, labels):
        logits = F.linear(x, self.weight)
        target = logits.gather(1, labels[:, None])
        norms = x.norm(dim=1, keepdim=True) * self.weight[labels].norm(dim=1, keepdim=True)
        cosine = (target / norms).clamp(-1, 1)
        squared = cosine * cosine
        k = sum((cosine.detach() <= math.cos(i * math.pi / 4)).float() for i in (1, 2, 3))
        psi = (1 - 2 * (k % 2)) * (8 * squared * (squared - 1) + 1) - 2 * k
        with_margin = (self.decay * target + norms * psi) / (1 + self.decay)
        return F.cross_entropy(logits.scatter(1, labels[:, None], with_margin), labels)


HEADS = {"arcface": ArcFace, "l-softmax": LSoftmax}


def build(head, classes, size):
    options = {name: value for name, value in head.items() if name != "head"}
    return HEADS[head["head"]](classes, size, **options)
