"""PyTorch's side of the benchmark on a GPU: answers the jobs of bench.py, a line of tab-separated fields each, with a
line of JSON, as margincore_gpu_bench does."""

import contextlib
import gc
import math
import os
import sys
import time

import torch
import torch._dynamo

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "test", "gpu"))

import pytorch_variants  # noqa: E402
from pytorch_clock import Clock  # noqa: E402
from pytorch_model import CLASSES, NETWORKS, arcface  # noqa: E402
from serve import serve  # noqa: E402, of test/gpu/


class Worker:
    def __init__(self, device):
        self.device = torch.device(device)
        self.on_gpu = self.device.type == "cuda"
        self.clock = Clock(self.device)
        torch.backends.cudnn.benchmark = True
        self.trainings, self.heads = {}, {}
        # One function is compiled for each batch and precision: never fall back to eager because there are many.
        for name, value in (("recompile_limit", 64), ("fail_on_recompile_limit_hit", True)):
            if hasattr(torch._dynamo.config, name):
                setattr(torch._dynamo.config, name, value)

    def precision(self, name, cache=True):
        """TF32 as on the other side, for matmuls and convolutions; bf16 is autocast over fp32 weights."""
        if name not in ("fp32", "tf32", "bf16"):
            raise ValueError(f"precision {name} is unknown")
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = name == "tf32"
        if name == "bf16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16, cache_enabled=cache)
        return contextlib.nullcontext()

    # ---- the kinds of jobs

    def info(self, job):
        return {
            "version": torch.__version__,
            "cuda": torch.version.cuda or "",
            "cudnn": torch.backends.cudnn.version() or 0,
            "device": torch.cuda.get_device_name() if self.on_gpu else "cpu",
        }

    def training(self, job):
        key = (job["variant"], job["model"], job["batch"], job["precision"])
        if key not in self.trainings:
            self.trainings[key] = pytorch_variants.make(job, self.device)
        training = self.trainings[key]
        self.clock.synchronize()
        started = time.perf_counter()
        with self.precision(job["precision"], cache=job["variant"] != "graph"):
            for _ in range(int(job["epochs"])):
                loss = training.epoch()
            loss = loss.item()  # waits for all of it
        seconds = time.perf_counter() - started
        if not math.isfinite(loss):
            raise ValueError(f"the loss is {loss}")
        steps = int(job["epochs"]) * training.steps
        parameters = sum(tensor.numel() for tensor in training.module.parameters())
        answer = {"seconds": seconds, "images": steps * training.batch, "steps": steps, "loss": loss}
        return {**answer, "parameters": parameters}

    def parameters(self, job):
        """How many a training has; nothing is allocated for it."""
        with torch.device("meta"):
            model = NETWORKS[job["model"]]()
            tensors = [*model.parameters(), *arcface(CLASSES, model.size).parameters()]
        return {"parameters": sum(tensor.numel() for tensor in tensors)}

    def memory(self, job):
        """What training takes of the card, without the CUDA context, which is there before; and what PyTorch counts
        itself. What only the warm-up needed, such as trials of algorithms, is given back to the card."""
        if not self.on_gpu:
            return {**self.training(job), **self.training(job)}
        free = torch.cuda.mem_get_info()[0]
        self.training(job)
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        answer = self.training(job)
        return {
            **answer,
            "cardBytes": free - torch.cuda.mem_get_info()[0],
            "allocatedBytes": torch.cuda.max_memory_allocated(),
            "reservedBytes": torch.cuda.max_memory_reserved(),
        }

    def close(self, job):
        self.trainings.clear()
        self.heads.clear()
        torch.compiler.reset()
        gc.collect()
        if self.on_gpu:
            torch.cuda.empty_cache()
        return {}

    def head(self, job):
        """ArcFace alone, forward and backward, with given features."""
        key = tuple(sorted(job.items()))
        if key not in self.heads:
            self.heads[key] = self.head_step(job)
        step = self.heads[key]
        with self.precision(job["precision"]):
            return {**self.clock.time_steps(step), "loss": step().item()}

    def head_step(self, job):
        torch.manual_seed(1)
        rows, size, classes = int(job["batch"]), int(job["embedding"]), int(job["numClasses"])
        margin_head = arcface(classes, size).to(self.device)
        x = torch.rand(rows, size, device=self.device).mul(2).sub(1).requires_grad_()
        labels = torch.arange(rows, device=self.device) * 7919 % classes
        wrapped = job["variant"] == "compiled"
        forward = pytorch_variants.compiled(margin_head) if wrapped else margin_head

        def step():
            if wrapped:
                torch.compiler.cudagraph_mark_step_begin()
            x.grad = margin_head.weight.grad = None
            loss = forward(x, labels)
            with pytorch_variants.outside_autocast(self.device):
                loss.backward()
            return loss

        return step

    def convolution(self, job):
        """One pass alone, or both backward passes as a step has them."""
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
            "backward": lambda: backward([True, True, False]),
        }
        with torch.no_grad(), precision if dtype == torch.float32 else contextlib.nullcontext():
            return self.clock.time_graph(passes[job["pass"]], float(job["target"]))


worker = Worker(sys.argv[1])
KINDS = ("info", "training", "parameters", "memory", "close", "head", "convolution")
serve({name: getattr(worker, name) for name in KINDS})
