"""The ways in which PyTorch trains, fastest settings each: whole shuffled batches of data that lie on the GPU, one
gathered and normalised batch per step, fused Adam, nothing fetched.

eager     operation by operation
compiled  torch.compile with CUDA graphs of forward and backward; Adam beside them
graph     gathering, forward, backward and Adam, all of a step in one CUDA graph
"""

import contextlib

import torch

from pytorch_model import TrainingLoss

WARM_UP_STEPS = 3


def outside_autocast(device):
    """As the documentation of autocast asks: backward passes run outside of it."""
    if torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return contextlib.nullcontext()


def compiled(function):
    return torch.compile(function, mode="reduce-overhead", dynamic=False)


class Training:
    """Eager, or with `wrap` compiled. `capturable`: Adam may be part of a CUDA graph."""

    def __init__(self, job, device, wrap=None, capturable=False):
        torch.manual_seed(1)
        self.device, self.batch, self.wrapped = device, int(job["batch"]), wrap is not None
        self.module = TrainingLoss(job, device)
        self.count = len(self.module.labels)
        self.steps = self.count // self.batch
        rate = float(job["learningRate"])
        self.adam = torch.optim.Adam(self.module.parameters(), lr=rate, fused=True, capturable=capturable)
        self.loss = wrap(self.module) if wrap else self.module

    def epoch(self):
        """The last step's loss, still on the GPU."""
        order = torch.randperm(self.count, device=self.device)
        for rows in order.split(self.batch)[: self.steps]:
            if self.wrapped:
                torch.compiler.cudagraph_mark_step_begin()
            self.adam.zero_grad(set_to_none=True)
            loss = self.update(rows)
        return loss.detach().clone()

    def update(self, rows):
        loss = self.loss(rows)
        with outside_autocast(self.device):
            loss.backward()
        self.adam.step()
        return loss


class GraphTraining(Training):
    """A step is one replay: the samples' numbers are read from an order on the device, at a place that the step itself
    moves on. On a CPU, for rehearsals, the same step without a graph.

    The graph's rules: everything that it reads or writes keeps its address; the steps before it run on another stream
    than the default; gradients are None when it is captured, so that its backward pass makes and overwrites them; and
    autocast keeps no cache (pytorch_worker.py), from which weights could come that were cast outside of the graph.
    """

    def __init__(self, job, device):
        super().__init__(job, device, capturable=device.type == "cuda")
        self.order = torch.randperm(self.count, device=device)
        self.position = torch.zeros((), dtype=torch.int64, device=device)
        self.within = torch.arange(self.batch, device=device)
        self.replay = None

    def step(self):
        loss = self.update(self.order[self.position + self.within])
        self.position += self.batch
        return loss

    def epoch(self):
        if self.replay is None:
            self.replay = self.capture() if self.device.type == "cuda" else self.eager
        self.order.copy_(torch.randperm(self.count, device=self.device))
        self.position.zero_()
        for _ in range(self.steps):
            self.replay()
        return self.last.clone()

    def eager(self):
        self.adam.zero_grad(set_to_none=True)
        self.last = self.step().detach()

    def capture(self):
        """A function that queues a step."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_STEPS):
                self.position.zero_()
                self.eager()
        torch.cuda.current_stream().wait_stream(stream)
        self.adam.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.last = self.step().detach()
        return graph.replay


def make(job, device):
    variant = job["variant"]
    if variant == "graph":
        return GraphTraining(job, device)
    if variant in ("eager", "compiled"):
        return Training(job, device, compiled if variant == "compiled" else None)
    raise ValueError(f"variant {variant} is unknown")
