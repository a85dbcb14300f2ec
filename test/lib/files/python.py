"""Makes python.safetensors with the format's own library, and python.json, what is in it.

With the name of a file that margincore wrote it also writes that anew, as rewritten.safetensors.
"""

import json
import pathlib
import sys

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).parent
VALUES = [0.0, -1.5, 3.0517578125e-05, 65504.0, 2.0**-24, -(2.0**-20) * 3, 1.0 + 2.0**-7, float("inf")]
TENSORS = {
    "float32": torch.tensor(VALUES).reshape(2, 4),
    "float64": torch.tensor(VALUES, dtype=torch.float64),
    "float16": torch.tensor(VALUES).to(torch.float16).reshape(2, 2, 2),
    "bfloat16": torch.tensor(VALUES).to(torch.bfloat16),
    "scalar": torch.tensor(2.5),
    "empty": torch.zeros(0, 3),
}
METADATA = {"format": "pt", "note": "ü"}

save_file({**TENSORS, "counter": torch.tensor([3])}, HERE / "python.safetensors", METADATA)
described = {
    name: {
        "shape": list(tensor.shape),
        "values": [v if abs(v) != float("inf") else "Infinity" for v in tensor.flatten().double().tolist()],
    }
    for name, tensor in TENSORS.items()
}
(HERE / "python.json").write_text(json.dumps({"metadata": METADATA, "tensors": described}, indent=1) + "\n")

if len(sys.argv) > 1:
    with safe_open(sys.argv[1], "pt") as ours:
        metadata = ours.metadata()
    save_file(load_file(sys.argv[1]), HERE / "rewritten.safetensors", metadata)
