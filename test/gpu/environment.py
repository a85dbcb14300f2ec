"""What a result depends on: the card, its driver, the versions of everything that took part, and the sources."""

import datetime
import json
import platform
import subprocess
import sys

import sources

# Asked in a process of its own, like everything of PyTorch: its end is not the check's.
TORCH = """
import json, torch
found = {"PyTorch": torch.__version__}
if torch.version.cuda:
    found["PyTorch's CUDA"] = torch.version.cuda
    found["PyTorch's cuDNN"] = str(torch.backends.cudnn.version())
print(json.dumps(found))
"""
IDENTITY = ("device", "libraries", "PyTorch", "digest of the sources")


def command_output(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def torch_versions():
    text = command_output(sys.executable, "-c", TORCH)
    return json.loads(text.splitlines()[-1]) if text else {"PyTorch": "not there"}


def of_machine():
    card = command_output(
        "nvidia-smi",
        "--query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.mem",
        "--format=csv,noheader",
    )
    nvcc = command_output("nvcc", "--version").splitlines()
    return {
        "nvidia-smi (name, driver, memory, clocks)": card or "not there",
        "nvcc": nvcc[-2].strip() if len(nvcc) > 1 else "not there",
        **torch_versions(),
        "Python": platform.python_version(),
        "date": datetime.date.today().isoformat(),
    }


def of_sources(build):
    """Where git cannot say which commit they are: $MARGINCORE_COMMIT, or what `gpu-check build` wrote down."""
    return {"sources": sources.commit(build), "digest of the sources": sources.digest()}


def of_device(info):
    """info: what the native core says of its device."""
    return {
        "device": f"{info['device']}, {info['description']}",
        "simulated": bool(info["simulated"]),
        "libraries": info["version"],
    }


def identity(environment):
    """What two calls must have in common to go on with each other's report."""
    return {key: environment.get(key) for key in IDENTITY}
