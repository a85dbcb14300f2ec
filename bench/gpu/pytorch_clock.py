"""How PyTorch's steps are timed."""

import time

import torch


class Clock:
    def __init__(self, device):
        self.on_gpu = device.type == "cuda"

    def synchronize(self):
        if self.on_gpu:
            torch.cuda.synchronize()

    def seconds(self, step, count):
        self.synchronize()
        started = time.perf_counter()
        for _ in range(count):
            step()
        self.synchronize()
        return time.perf_counter() - started

    def time_steps(self, step, target=0.1, runs=7):
        """Median over runs of many steps each, which the GPU works off while the host is ahead."""
        for _ in range(3):
            step()
        first = self.seconds(step, 3) / 3
        count = max(1, min(1000, int(target / max(first, 1e-7))))
        times = sorted(self.seconds(step, count) / count for _ in range(runs))
        return {"seconds": times[runs // 2], "repetitions": count}

    def time_graph(self, operation, target, runs=7):
        """Repetitions in a CUDA graph, as on the other side, so that launching costs nothing."""
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
