"""PyTorch's side of the benchmark on a GPU: answers the jobs of bench.py, a line of tab-separated fields each, with a
line of JSON, as margincore_gpu_bench does.

Written as for speed: data on the GPU, channels-last, cuDNN's benchmark, fused Adam, one gathered and normalised batch per
step inside the compiled part, ArcFace that touches the target column alone, nothing fetched inside the clock.
"""

import contextlib
import json
import math
import sys
import time

import numpy as np
import torch
import torch._dynamo
import torch.nn.functional as F
from torch import nn

SCALE, MARGIN, CLASSES = 30.0, 0.5, 10


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


class Worker:
    def __init__(self, device):
        self.device = torch.device(device)
        self.on_gpu = self.device.type == "cuda"
        torch.backends.cudnn.benchmark = True
        self.trainings, self.heads = {}, {}
        # One function is compiled for each batch and precision: never fall back to eager because there are many.
        for name, value in (("recompile_limit", 64), ("fail_on_recompile_limit_hit", True)):
            if hasattr(torch._dynamo.config, name):
                setattr(torch._dynamo.config, name, value)

    def synchronize(self):
        if self.on_gpu:
            torch.cuda.synchronize()

    def precision(self, name):
        """TF32 as on the other side, for products and convolutions; bf16 is autocast over fp32 weights."""
        if name not in ("fp32", "tf32", "bf16"):
            raise ValueError(f"precision {name} is unknown")
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = name == "tf32"
        if name == "bf16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return contextlib.nullcontext()

    def wrap(self, function, variant):
        """`variant`: eager, or compiled with CUDA graphs."""
        if variant == "eager":
            return function
        if variant == "compiled":
            return torch.compile(function, mode="reduce-overhead", dynamic=False)
        raise ValueError(f"variant {variant} is unknown")

    # ---- the kinds of jobs

    def info(self, job):
        return {
            "version": torch.__version__,
            "cuda": torch.version.cuda or "",
            "cudnn": torch.backends.cudnn.version() or 0,
            "device": torch.cuda.get_device_name() if self.on_gpu else "cpu",
        }

    def training(self, job):
        key = (job["variant"], job["batch"], job["precision"])
        precision = self.precision(job["precision"])
        if key not in self.trainings:
            self.trainings[key] = Training(self, job)
        training = self.trainings[key]
        self.synchronize()
        started = time.perf_counter()
        with precision:
            for _ in range(int(job["epochs"])):
                loss = training.epoch()
            loss = loss.item()  # waits for all of it
        seconds = time.perf_counter() - started
        if not math.isfinite(loss):
            raise ValueError(f"the loss is {loss}")
        steps = int(job["epochs"]) * training.steps
        memory = {"tensorBytes": torch.cuda.max_memory_allocated()} if self.on_gpu else {}
        return {"seconds": seconds, "images": steps * training.batch, "steps": steps, "loss": loss, **memory}

    def close(self, job):
        self.trainings.clear()
        self.heads.clear()
        torch.compiler.reset()
        if self.on_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        return {}

    def head(self, job):
        """ArcFace alone, forward and backward, with given features."""
        precision = self.precision(job["precision"])
        key = tuple(sorted(job.items()))
        if key not in self.heads:
            self.heads[key] = self.head_step(job)
        step = self.heads[key]
        with precision:
            return {**self.time_steps(step), "loss": step().item()}

    def head_step(self, job):
        torch.manual_seed(1)
        rows, size, classes = int(job["batch"]), int(job["embedding"]), int(job["numClasses"])
        arcface = ArcFace(classes, size).to(self.device)
        x = torch.rand(rows, size, device=self.device).mul(2).sub(1).requires_grad_()
        labels = torch.arange(rows, device=self.device) * 7919 % classes
        forward = self.wrap(arcface, job["variant"])

        def step():
            if job["variant"] == "compiled":
                torch.compiler.cudagraph_mark_step_begin()
            x.grad = arcface.weight.grad = None
            loss = forward(x, labels)
            with self.outside_autocast():
                loss.backward()
            return loss

        return step

    def convolution(self, job):
        """One pass alone; repetitions in a CUDA graph, as on the other side, so that launching costs nothing."""
        precision = self.precision(job["precision"])
        size, kernel = int(job["size"]), int(job["kernel"])
        stride, padding = int(job["stride"]), int(job["padding"])
        channels, out_channels = int(job["channels"]), int(job["outChannels"])
        out = (size + 2 * padding - kernel) // stride + 1
        dtype = torch.bfloat16 if job["precision"] == "bf16" else torch.float32

        def tensor(*shape):
            values = torch.randn(*shape, device=self.device, dtype=dtype)
            return values.contiguous(memory_format=torch.channels_last)

        batch = int(job["batch"])
        x, w = tensor(batch, channels, size, size), tensor(out_channels, channels, kernel, kernel)
        dy = tensor(batch, out_channels, out, out)
        strides, paddings = [stride, stride], [padding, padding]

        def backward(mask):
            return torch.ops.aten.convolution_backward(
                dy, x, w, None, strides, paddings, [1, 1], False, [0, 0], 1, mask
            )

        passes = {
            "forward": lambda: torch.ops.aten.convolution(x, w, None, strides, paddings, [1, 1], False, [0, 0], 1),
            "backward_data": lambda: backward([True, False, False]),
            "backward_filter": lambda: backward([False, True, False]),
        }
        with torch.no_grad(), precision if dtype == torch.float32 else contextlib.nullcontext():
            return self.time_graph(passes[job["pass"]])

    def outside_autocast(self):
        """As the documentation of autocast asks: backward passes run outside of it."""
        if torch.is_autocast_enabled(self.device.type):
            return torch.autocast(self.device.type, enabled=False)
        return contextlib.nullcontext()

    # ---- clocks

    def time_steps(self, step, target=0.1, runs=7):
        """Median over runs of many steps each, which the GPU works off while the host is ahead."""
        for _ in range(3):
            step()
        first = self.seconds(step, 3) / 3
        count = max(1, min(1000, int(target / max(first, 1e-7))))
        times = sorted(self.seconds(step, count) / count for _ in range(runs))
        return {"seconds": times[runs // 2], "repetitions": count}

    def seconds(self, step, count):
        self.synchronize()
        started = time.perf_counter()
        for _ in range(count):
            step()
        self.synchronize()
        return time.perf_counter() - started

    def time_graph(self, operation, target=0.02, runs=7):
        if not self.on_gpu:
            return self.time_steps(operation, target, runs)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                operation()
        torch.cuda.current_stream().wait_stream(stream)
        first = self.seconds(operation, 5) / 5
        count = max(1, min(1000, int(target / max(first, 1e-7))))
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(count):
                operation()
        graph.replay()
        times = sorted(self.seconds(graph.replay, 1) / count for _ in range(runs))
        return {"seconds": times[runs // 2], "repetitions": count}


class TrainingLoss(nn.Module):
    """From sample numbers to the loss. The data are buffers, so that CUDA graphs read them where they lie."""

    def __init__(self, job, device):
        super().__init__()
        images = np.fromfile(job["images"], dtype=np.uint8).reshape(-1, 1, 28, 28)
        self.register_buffer("images", torch.tensor(images))
        self.register_buffer("labels", torch.tensor(np.fromfile(job["labels"], dtype=np.int32)).long())
        self.mean, self.std = float(job["mean"]), float(job["std"])
        self.model = SeedCnn(int(job["embedding"])).to(memory_format=torch.channels_last)
        self.head = ArcFace(CLASSES, int(job["embedding"]))
        self.to(device)

    def forward(self, rows):
        x = (self.images[rows].float() / 255 - self.mean) / self.std
        return self.head(self.model(x.contiguous(memory_format=torch.channels_last)), self.labels[rows])


class Training:
    """The seed CNN with ArcFace; whole shuffled batches of data that lie on the GPU."""

    def __init__(self, worker, job):
        torch.manual_seed(1)
        self.worker, self.batch, self.variant = worker, int(job["batch"]), job["variant"]
        module = TrainingLoss(job, worker.device)
        self.count = len(module.labels)
        self.steps = self.count // self.batch
        self.adam = torch.optim.Adam(module.parameters(), lr=float(job["learningRate"]), fused=True)
        self.loss = worker.wrap(module, self.variant)

    def epoch(self):
        """The last step's loss, still on the GPU."""
        order = torch.randperm(self.count, device=self.worker.device)
        for rows in order.split(self.batch)[: self.steps]:
            if self.variant == "compiled":
                torch.compiler.cudagraph_mark_step_begin()
            self.adam.zero_grad(set_to_none=True)
            loss = self.loss(rows)
            with self.worker.outside_autocast():
                loss.backward()
            self.adam.step()
        return loss.detach().clone()


def main():
    worker = Worker(sys.argv[1])
    kinds = {name: getattr(worker, name) for name in ("info", "training", "close", "head", "convolution")}
    for line in sys.stdin:
        kind, *fields = line.rstrip("\n").split("\t")
        try:
            answer = kinds[kind](dict(field.split("=", 1) for field in fields))
        except Exception as error:  # the report says why; the next job is taken
            answer = {"error": f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"}
        print(json.dumps(answer), flush=True)


main()
