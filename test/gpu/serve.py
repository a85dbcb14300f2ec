"""The other end of program.py, for programs in Python: what job.h is for those in C++."""

import json
import sys

import numpy as np


def serve(kinds):
    """kinds: name → function from a job's fields, all text, to its answer. Ends with standard input."""
    for line in sys.stdin:
        kind, *fields = line.rstrip("\n").split("\t")
        try:
            answer = kinds[kind](dict(field.split("=", 1) for field in fields))
        except Exception as error:  # the report says why; whoever asked decides what comes next
            text = str(error).strip()
            answer = {"error": f"{type(error).__name__}: {text.splitlines()[0] if text else ''}"}
        print(json.dumps(answer), flush=True)


def write_arrays(path, arrays):
    """What an answer says of an ArrayFile."""
    np.concatenate([np.asarray(array, dtype=np.float32).reshape(-1) for array in arrays.values()]).tofile(path)
    return {"arrays": "\n".join(arrays), "counts": [int(np.size(array)) for array in arrays.values()]}
