"""A head forward and backward on given features and class weights."""

import torch

import heads
from protocol import report, seconds


def head_alone(job):
    """The median time; two rounds of warm-up, the second for Inductor."""
    rows, size, classes = job["batch"], job["embeddingSize"], job["numClasses"]
    head = heads.build(job["head"], classes, size)
    forward = torch.compile(head, dynamic=False) if job["variant"].startswith("compile") else head
    x = torch.rand(rows, size).mul(2).sub(1).requires_grad_()
    labels = torch.randint(classes, (rows,))
    losses = []

    def step():
        x.grad = head.weight.grad = None
        loss = forward(x, labels)
        loss.backward()
        losses.append(loss.item())

    step(), step()
    report("begin")
    times = sorted(seconds(step) for _ in range(job["repetitions"]))
    report("result", loss=losses[-1], seconds=times[len(times) // 2])
