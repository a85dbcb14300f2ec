"""The networks with ArcFace in PyTorch, written as for speed: channels-last, and a margin that touches the target column
alone."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from pytorch_resnet import resnet18_32, resnet50_64

SCALE, MARGIN, CLASSES, EMBEDDING = 30.0, 0.5, 10, 1024


class SeedCnn(nn.Module):
    def __init__(self, embedding):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.embedding = nn.Linear(64 * 5 * 5, embedding)

    def forward(self, x):
        return self.embedding(self.features(x).flatten(1))


class ArcFace(nn.Module):
    def __init__(self, classes, size):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(classes, size))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x, labels):
        # Under autocast the product is in bf16; what the margin does to it is not.
        cosine = F.linear(F.normalize(x), F.normalize(self.weight)).float()
        target = cosine.gather(1, labels[:, None])
        sine = (1.0 - target * target).clamp(min=1e-7).sqrt()
        phi = target * math.cos(MARGIN) - sine * math.sin(MARGIN)
        phi = torch.where(target > math.cos(math.pi - MARGIN), phi, target - math.sin(math.pi - MARGIN) * MARGIN)
        return F.cross_entropy(SCALE * cosine.scatter(1, labels[:, None], phi), labels)


def seed_cnn():
    return SeedCnn(EMBEDDING), EMBEDDING


NETWORKS = {"seed-cnn": seed_cnn, "resnet18-32": resnet18_32, "resnet50-64": resnet50_64}


class TrainingLoss(nn.Module):
    """From sample numbers to the loss. The data are buffers, so that CUDA graphs read them where they lie."""

    def __init__(self, job, device):
        super().__init__()
        images = np.fromfile(job["images"], dtype=np.uint8).reshape(-1, *map(int, job["size"].split(",")))
        self.register_buffer("images", torch.tensor(images).permute(0, 3, 1, 2))
        self.register_buffer("labels", torch.tensor(np.fromfile(job["labels"], dtype=np.int32)).long())
        for name in ("mean", "std"):
            per_channel = torch.tensor([float(value) for value in job[name].split(",")])
            self.register_buffer(name, per_channel[:, None, None])
        self.model, embedding = NETWORKS[job["model"]]()
        self.model.to(memory_format=torch.channels_last)
        self.head = ArcFace(CLASSES, embedding)
        self.to(device)

    def forward(self, rows):
        x = (self.images[rows].float() / 255 - self.mean) / self.std
        return self.head(self.model(x.contiguous(memory_format=torch.channels_last)), self.labels[rows])
