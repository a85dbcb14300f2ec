"""The two heads of the reference, in plain PyTorch; gradients are autograd's.

Each head returns (scores, logits, past_pi): scores margin-free, as predicted; logits with the margin, as trained; both
(N, NUM_CLASSES); and the number of samples whose theta + m is past pi.
"""

import math

import torch
import torch.nn.functional as F

ARCFACE_SCALE = 30.0
ARCFACE_MARGIN = 0.5  # radians


def softmax(p, embeddings, labels):
    scores = F.linear(embeddings, p["head.weight"], p["head.bias"])
    return scores, scores, 0


def arcface(p, embeddings, labels):
    cos_theta = F.normalize(embeddings, dim=1) @ F.normalize(p["head.weight"], dim=1).T
    target = cos_theta.gather(1, labels[:, None])
    sin_theta = torch.sqrt(1.0 - target * target)
    rotated = target * math.cos(ARCFACE_MARGIN) - sin_theta * math.sin(ARCFACE_MARGIN)  # cos(theta + m)
    # Past theta + m = pi the cosine would rise again: psi goes on falling instead, as -2 - cos(theta + m).
    past_pi = target <= -math.cos(ARCFACE_MARGIN)
    with_margin = torch.where(past_pi, -2.0 - rotated, rotated)
    logits = ARCFACE_SCALE * cos_theta.scatter(1, labels[:, None], with_margin)
    return ARCFACE_SCALE * cos_theta, logits, int(past_pi.sum())


HEADS = {"softmax": softmax, "arcface": arcface}
