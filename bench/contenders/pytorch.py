"""The seed CNN with a textbook ArcFace head in PyTorch, in three variants: nchw, nhwc (channels_last), compile.

Run by bench/run.mjs with one job as JSON; answers in lines that start with "@bench ".
"""

import gzip
import json
import math
import struct
import sys
import time

import torch
from torch import nn
import torch.nn.functional as F

SCALE, MARGIN, CLASSES, EMBEDDING = 30.0, 0.5, 10, 1024


def report(event, **fields):
    print("@bench " + json.dumps({"event": event, "cpuSeconds": time.process_time(), **fields}), flush=True)


def read_idx(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        content = bytearray(file.read())
    dims = content[3]
    shape = struct.unpack(f">{dims}I", content[4 : 4 + 4 * dims])
    return torch.frombuffer(content, dtype=torch.uint8, offset=4 + 4 * dims).view(shape)


def mean_and_std(images):
    """Of all pixels in [0, 1]; from counts, so that no float copy of the data adds to peak memory."""
    counts = torch.bincount(images.flatten(), minlength=256).double()
    values = torch.arange(256) / 255
    mean = (counts * values).sum() / counts.sum()
    variance = (counts * (values - mean) ** 2).sum() / counts.sum()
    return mean.item(), variance.sqrt().item()


class SeedCnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.embedding = nn.Linear(64 * 5 * 5, EMBEDDING)

    def forward(self, x):
        return self.embedding(self.features(x).flatten(1))


class ArcFace(nn.Module):
    """Textbook ArcFace. Only the target column gets the margin, which is less work than the usual one-hot blend."""

    def __init__(self, classes=CLASSES, size=EMBEDDING):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(classes, size))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x, labels):
        cosine = F.linear(F.normalize(x), F.normalize(self.weight))
        target = cosine.gather(1, labels[:, None])
        sine = (1.0 - target * target).clamp(min=1e-7).sqrt()
        phi = target * math.cos(MARGIN) - sine * math.sin(MARGIN)
        phi = torch.where(target > math.cos(math.pi - MARGIN), phi, target - math.sin(math.pi - MARGIN) * MARGIN)
        return F.cross_entropy(SCALE * cosine.scatter(1, labels[:, None], phi), labels)


class Training:
    def __init__(self, job):
        self.batch = job["batch"]
        count = job["limit"]
        self.images = read_idx(job["images"])[:count, None].contiguous()
        self.labels = read_idx(job["labels"])[:count].long()
        self.mean, self.std = mean_and_std(self.images)
        # nhwc and compile: channels_last, which is what both oneDNN and Inductor prefer
        self.format = torch.contiguous_format if job["variant"] == "nchw" else torch.channels_last
        self.model = SeedCnn().to(memory_format=self.format)
        self.head = ArcFace()
        self.parameters = [*self.model.parameters(), *self.head.parameters()]
        self.loss = torch.compile(self.eager_loss, dynamic=False) if job["variant"] == "compile" else self.eager_loss
        self.adam = self.new_adam("fused")

    def new_adam(self, implementation):
        return torch.optim.Adam(self.parameters, lr=1e-3, **{implementation: True})

    def eager_loss(self, images, labels):
        x = (images.float() / 255 - self.mean) / self.std
        return self.head(self.model(x.contiguous(memory_format=self.format)), labels)

    def step(self, rows):
        self.adam.zero_grad(set_to_none=True)
        loss = self.loss(self.images[rows], self.labels[rows])
        loss.backward()
        self.adam.step()
        return loss

    def epoch(self):
        for rows in torch.randperm(len(self.labels)).split(self.batch):
            loss = self.step(rows)
        return loss.item()


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def warm_up(training):
    """Also picks Adam's implementation: which one is faster differs by version and machine."""
    training.epoch()
    candidates = {name: training.new_adam(name) for name in ("foreach", "fused")}
    timed = {}
    for name, training.adam in candidates.items():
        timed[name] = seconds(training.epoch)
    best = min(timed, key=timed.get)
    training.adam = candidates[best]
    return best


def throughput(job, training):
    adam = warm_up(training)
    losses = []
    report("begin")
    elapsed = seconds(lambda: losses.extend(training.epoch() for _ in range(job["epochs"])))
    report("result", images=job["epochs"] * job["limit"], seconds=elapsed, loss=losses[-1], adam=adam)


def peak_memory():
    """VmHWM, not ru_maxrss: the latter starts at the size of the process that spawned this one."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def startup(job, training):
    training.step(torch.arange(job["batch"])).item()
    report("first-step")
    for _ in range(job["epochs"]):
        loss = training.epoch()
    report("result", loss=loss, peakBytes=peak_memory())


def head(job):
    """The median time of forward and backward of the head alone; two rounds of warm-up, the second for Inductor."""
    rows, size, classes = job["batch"], job["embeddingSize"], job["numClasses"]
    arcface = ArcFace(classes, size)
    forward = torch.compile(arcface, dynamic=False) if job["variant"] == "compile" else arcface
    x = torch.rand(rows, size).mul(2).sub(1).requires_grad_()
    labels = torch.randint(classes, (rows,))
    losses = []

    def step():
        x.grad = arcface.weight.grad = None
        loss = forward(x, labels)
        loss.backward()
        losses.append(loss.item())

    step(), step()
    report("begin")
    times = sorted(seconds(step) for _ in range(job["repetitions"]))
    report("result", loss=losses[-1], seconds=times[len(times) // 2])


def main():
    job = json.loads(sys.argv[1])
    torch.set_num_threads(job["threads"])
    torch.manual_seed(0)
    if job["measure"] == "head":
        head(job)
    else:
        {"throughput": throughput, "startup": startup}[job["measure"]](job, Training(job))
    report("version", name="PyTorch", version=torch.__version__)


main()
