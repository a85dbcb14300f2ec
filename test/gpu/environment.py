"""What a result depends on: the card, its driver, and the versions of everything that took part."""

import datetime
import json
import os
import platform
import subprocess
import sys

# Asked in a process of its own, like everything of PyTorch: its end is not the check's.
TORCH = """
import json, torch
found = {"PyTorch": torch.__version__}
if torch.version.cuda:
    found["PyTorch's CUDA"] = torch.version.cuda
    found["PyTorch's cuDNN"] = str(torch.backends.cudnn.version())
print(json.dumps(found))
"""


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
        "sources": sources(),
    }


def sources():
    """Commit of the sources and its date, and whether they differ from it. Where git cannot say: $MARGINCORE_COMMIT."""
    commit = command_output("git", "show", "--no-patch", "--format=%h of %cs", "HEAD").strip()
    if "MARGINCORE_COMMIT" in os.environ or not commit:
        return os.environ.get("MARGINCORE_COMMIT", "unknown")
    changed = command_output("git", "status", "--porcelain", "--untracked-files=no")
    return commit + (" (with changes that were not committed)" if changed.strip() else "")


def of_device(info):
    """info: what the native core says of its device."""
    return {
        "device": f"{info['device']}, {info['description']}",
        "simulated": bool(info["simulated"]),
        "libraries": info["version"],
    }
