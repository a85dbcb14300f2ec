"""Classes and their probabilities of a batch of bytes, call after call, as margincore's model.predict() gives them."""

import torch
import torch.nn.functional as F

import data
import heads
import models
from protocol import report, seconds


class Inference:
    def __init__(self, job):
        # nhwc and compile: channels_last, which is what both oneDNN and Inductor prefer
        self.format = torch.contiguous_format if job["variant"] == "nchw" else torch.channels_last
        images, self.labels = data.load(job)
        self.images = images.contiguous(memory_format=self.format)
        self.mean, self.std = data.mean_and_std(images)
        self.model = models.build(job["network"]).to(memory_format=self.format).eval()
        self.head = heads.build(job["head"], job["numClasses"], self.model.size).eval()
        compiled = job["variant"].startswith("compile")
        self.predict = torch.compile(self.eager_predict, dynamic=False) if compiled else self.eager_predict

    def eager_predict(self, images):
        x = ((images.float() / 255 - self.mean) / self.std).contiguous(memory_format=self.format)
        probabilities = self.head.scores(self.model(x)).softmax(1)
        return probabilities.argmax(1), probabilities

    def parameters(self):
        return sum(p.numel() for part in (self.model, self.head) for p in part.parameters())


def inference(job):
    with torch.inference_mode():
        work = Inference(job)
        parts = work.images.split(job["batch"])

        def calls(count):
            for i in range(count):
                work.predict(parts[i % len(parts)])

        calls(2 + job["warmupCalls"])  # Inductor may compile again at its second call
        report("begin")
        elapsed = seconds(lambda: calls(job["calls"]))
        _, probabilities = work.eager_predict(work.images)
        loss = F.nll_loss(probabilities.log(), work.labels).item()
        images = job["calls"] * len(parts[0])
    report("result", images=images, steps=job["calls"], seconds=elapsed, loss=loss, parameters=work.parameters())
