"""What the parts of the benchmark share: processes of both sides, the time, the clocks, and a folder for data."""

import contextlib
import os
import sys
import tempfile

from budget import OutOfTime  # of test/gpu/
from clocks import Clocks, warm
from program import JobError, Program

from measure import BACKEND

HERE = os.path.dirname(os.path.abspath(__file__))
COMPILER_THREADS = 4  # of each process that compiles; several do at a time
# A convolution that keeps the whole card busy for most of a second.
WORK = {"size": 32, "channels": 256, "outChannels": 256, "kernel": 3, "stride": 1, "padding": 1, "pass": "forward"}
WARM = {**WORK, "batch": 512, "precision": "bf16", "target": 0.1}


class Sides:
    """One part's, with processes of its own, which end with its time. `native` starts with its first job."""

    def __init__(self, build, plugin, budget, dry):
        self.budget, self.dry, self.clocks = budget, dry, Clocks()
        self.native_command = [os.path.join(build, "bench", "gpu", "margincore_gpu_bench")]
        self.pytorch_command = [sys.executable, os.path.join(HERE, "pytorch_worker.py"), "cpu" if dry else "cuda"]
        self.environment = {"MARGINCORE_CUDA_LIBRARY": plugin, "TORCHINDUCTOR_COMPILE_THREADS": COMPILER_THREADS}
        self.ends = contextlib.ExitStack()

    def __enter__(self):
        self.folder = self.ends.enter_context(tempfile.TemporaryDirectory())
        self.native = self.ends.enter_context(self.start_native())
        return self

    def __exit__(self, *_):
        self.ends.close()

    def start_native(self):
        return self.start(self.native_command)

    def start_pytorch(self):
        return self.start(self.pytorch_command)

    def start(self, command):
        environment = {name: str(value) for name, value in self.environment.items()}
        return Program(command, environment, budget=self.budget)

    def pytorch(self, part):
        """A program that lasts as long as this; None, and a failure of the part, where PyTorch cannot be had."""
        program = self.ends.enter_context(self.start_pytorch())
        try:
            part.notes.append(f"PyTorch's device: {program.ask('info')['device']}.")
        except (JobError, OutOfTime) as error:
            return part.fail(f"PyTorch: {error}")
        return program

    def warm(self, part):
        """Before anything is timed."""
        job = {**WARM, **BACKEND, **({"size": 4, "channels": 4, "outChannels": 4, "batch": 1} if self.dry else {})}
        limit = {"limit_s": 0.2} if self.dry else {}
        part.notes.append(warm(lambda: self.native.ask("convolution", **job)["seconds"], self.clocks.read, **limit))
