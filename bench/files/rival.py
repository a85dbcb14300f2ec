"""PyTorch's side of run.mjs: does the work of each line of its input, and answers with the seconds that it took."""

import importlib
import json
import os
import sys
import time
import types

import torch
from safetensors.torch import load_file, save_file


def import_torchvision():
    """A CPU build of torch lacks operators for which torchvision's GPU build registers shapes."""
    sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("torchvision._meta_registrations"))
    return importlib.import_module("torchvision")


def to_disk(path):
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def network():
    """Without drawing weights that the file replaces."""
    with torch.device("meta"):
        return torchvision.models.resnet50()


def into_network(state):
    model = network()
    model.load_state_dict(state, strict=True, assign=True)
    return model


torchvision = import_torchvision()
torch.set_num_threads(int(sys.argv[1]))
STATE = torchvision.models.resnet50().state_dict()
WORK = {
    "torch.save": lambda path: torch.save(STATE, path),
    "save_file": lambda path: save_file(STATE, path),
    "torch.save, fsync": lambda path: (torch.save(STATE, path), to_disk(path)),
    "save_file, fsync": lambda path: (save_file(STATE, path), to_disk(path)),
    "torch.load": lambda path: into_network(torch.load(path, weights_only=True)),
    "load_file": lambda path: into_network(load_file(path)),
}

print(json.dumps({"ready": f"PyTorch {torch.__version__}, torchvision {torchvision.__version__}"}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    start = time.perf_counter()
    kept = WORK[request["work"]](request["path"])  # freed after the clock
    seconds = time.perf_counter() - start
    del kept
    print(json.dumps({"seconds": seconds}), flush=True)
