"""Whole training steps: a shuffled batch put together from bytes, normalised, forward, backward, Adam."""

import statistics

import torch

import data
import heads
import models
from protocol import peak_memory, report, seconds


class Training:
    def __init__(self, job):
        self.batch = job["batch"]
        # nhwc and compile: channels_last, which is what both oneDNN and Inductor prefer
        self.format = torch.contiguous_format if job["variant"] == "nchw" else torch.channels_last
        images, self.labels = data.load(job)
        self.images = images.contiguous(memory_format=self.format)
        self.mean, self.std = data.mean_and_std(images)
        self.model = models.build(job["network"]).to(memory_format=self.format)
        self.head = heads.build(job["head"], job["numClasses"], self.model.size)
        if job.get("frozenStages"):
            self.model.freeze(job["frozenStages"])
        self.all_parameters = [*self.model.parameters(), *self.head.parameters()]
        self.parameters = [parameter for parameter in self.all_parameters if parameter.requires_grad]
        self.bf16 = job["precision"] == "bf16"
        compiled = job["variant"].startswith("compile")
        self.loss = torch.compile(self.eager_loss, dynamic=False) if compiled else self.eager_loss
        self.adam = self.new_adam("fused")

    def new_adam(self, implementation):
        return torch.optim.Adam(self.parameters, lr=1e-3, **{implementation: True})

    def count_parameters(self):
        return sum(parameter.numel() for parameter in self.all_parameters)

    def eager_loss(self, images, labels):
        x = ((images.float() / 255 - self.mean) / self.std).contiguous(memory_format=self.format)
        if not self.bf16:
            return self.head(self.model(x), labels)
        with torch.autocast("cpu", torch.bfloat16):
            embedding = self.model(x)
        return self.head(embedding.float(), labels)  # in fp32, as margincore's head is

    def step(self, rows):
        self.adam.zero_grad(set_to_none=True)
        loss = self.loss(self.images[rows], self.labels[rows])
        loss.backward()
        self.adam.step()
        return loss

    def batches(self):
        return torch.randperm(len(self.labels)).split(self.batch)

    def epoch(self):
        for rows in self.batches():
            loss = self.step(rows)
        return loss.item()


def warm_up(training, steps):
    """Also picks Adam's implementation: which one is faster differs by version and machine."""
    for rows in training.batches()[:steps]:
        training.step(rows)
    timed = {}
    for name in ("foreach", "fused"):
        training.adam = training.new_adam(name)
        for group in training.adam.param_groups:
            group["lr"] = 0.0  # so that trying does not train
        timed[name] = statistics.median([seconds(training.adam.step) for _ in range(6)][1:])
    best = min(timed, key=timed.get)
    training.adam = training.new_adam(best)
    training.step(training.batches()[0])  # makes its state
    return best


def throughput(job):
    training = Training(job)
    adam = warm_up(training, job["warmupSteps"])
    losses = []
    report("begin")
    elapsed = seconds(lambda: losses.extend(training.epoch() for _ in range(job["epochs"])))
    steps = job["epochs"] * len(training.batches())
    images = job["epochs"] * len(training.labels)
    count = training.count_parameters()
    report("result", images=images, steps=steps, seconds=elapsed, loss=losses[-1], adam=adam, parameters=count)


def startup(job):
    training = Training(job)
    training.step(torch.arange(job["batch"])).item()
    report("first-step")
    for _ in range(job["epochs"]):
        loss = training.epoch()
    report("result", loss=loss, peakBytes=peak_memory(), parameters=training.count_parameters())
