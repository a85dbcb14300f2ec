"""From sample numbers to the loss, as for speed: channels-last, on data that lie on the card. Networks and heads are those of
the benchmark on the CPU."""

import os
import sys

import numpy as np
import torch
from torch import nn

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "contenders", "pytorch"))

import heads  # noqa: E402, of bench/contenders/pytorch/
import models  # noqa: E402

CLASSES = 10
NETWORKS = {
    "seed-cnn": lambda: models.SeedCnn(1024),
    "resnet18-64": lambda: models.resnet18(64),
    "resnet50-64": lambda: models.resnet50(64),
    "resnet50-224": lambda: models.resnet50(224),
    "densenet121-64": lambda: models.densenet121(64),
}


def arcface(classes, size):
    return heads.ArcFace(classes, size, s=30.0, m=0.5)


class TrainingLoss(nn.Module):
    """The data are buffers, so that CUDA graphs read them where they lie."""

    def __init__(self, job, device):
        super().__init__()
        images = np.fromfile(job["images"], dtype=np.uint8).reshape(-1, *map(int, job["size"].split(",")))
        self.register_buffer("images", torch.tensor(images).permute(0, 3, 1, 2))
        self.register_buffer("labels", torch.tensor(np.fromfile(job["labels"], dtype=np.int32)).long())
        for name in ("mean", "std"):
            per_channel = torch.tensor([float(value) for value in job[name].split(",")])
            self.register_buffer(name, per_channel[:, None, None])
        self.model = NETWORKS[job["model"]]().to(memory_format=torch.channels_last)
        self.head = arcface(CLASSES, self.model.size)
        self.to(device)

    def forward(self, rows):
        x = (self.images[rows].float() / 255 - self.mean) / self.std
        return self.head(self.model(x.contiguous(memory_format=torch.channels_last)), self.labels[rows])
