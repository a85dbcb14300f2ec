"""One of the processes that train together with PyTorch, by DistributedDataParallel over gloo; torchrun's variables say which.

channels_last, eager; the network and the head are one module. Buckets are the gradients themselves, which saves copying them.
"""

import datetime
import json
import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

sys.path.insert(0, str(Path(__file__).parents[2] / "contenders" / "pytorch"))

from protocol import report, seconds  # noqa: E402
from training import Training, warm_up  # noqa: E402

# In which a process is missed whose others have failed.
TIMEOUT = datetime.timedelta(seconds=120)


class Whole(nn.Module):
    def __init__(self, training):
        super().__init__()
        self.model, self.head, self.loss = training.model, training.head, training.eager_loss

    def forward(self, images, labels):
        return self.loss(images, labels)


class TogetherTraining(Training):
    """Each batch is of all processes: each has a part of it."""

    def __init__(self, job):
        super().__init__(job)
        self.rank, self.ranks = dist.get_rank(), dist.get_world_size()
        self.count = job["count"]
        self.order = torch.Generator().manual_seed(0)  # the same in each
        self.loss = DistributedDataParallel(Whole(self), gradient_as_bucket_view=True)

    def batches(self):
        rows = torch.randperm(self.count, generator=self.order) % len(self.labels)
        return rows.view(-1, self.ranks, self.batch // self.ranks)[:, self.rank]


def main():
    job = json.loads(sys.argv[1])
    torch.set_num_threads(job["threads"])
    torch.manual_seed(0)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group("gloo", timeout=TIMEOUT)
    training = TogetherTraining(job)
    is_first = training.rank == 0
    adam = warm_up(training, job["warmupSteps"])
    losses = []
    dist.barrier()
    if is_first:
        report("begin")
    elapsed = seconds(lambda: losses.extend(training.epoch() for _ in range(job["epochs"])))
    if is_first:
        steps = job["epochs"] * len(training.batches())
        images = job["epochs"] * training.count
        result = {"images": images, "steps": steps, "seconds": elapsed, "loss": losses[-1], "adam": adam}
        report("result", **result, parameters=training.count_parameters())
        report("version", name="PyTorch", version=torch.__version__)
    dist.destroy_process_group()


main()
