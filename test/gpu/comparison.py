"""Comparison with stored numbers: the measures of test/parity/reference.ts, and its limits from the same file."""

import json
import math
import os
import sys

import numpy as np

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
PYTORCH = os.path.join(ROOT, "test", "parity")
sys.path.insert(0, PYTORCH)


def read_json(name):
    with open(os.path.join(PYTORCH, name), encoding="utf-8") as file:
        return json.load(file)


TOLERANCES = read_json("tolerances.json")


def relative_error(received, expected):
    """Infinite where the lengths differ; 0 where both are exactly 0; NaN stays NaN."""
    a, b = np.asarray(received, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    if a.shape != b.shape:
        return math.inf
    error = float(np.linalg.norm(a - b))
    if error == 0:
        return 0.0
    size = float(np.linalg.norm(b))
    return error / size if size > 0 else math.inf


def distance(received, indices, digest):
    """The larger of the relative errors of the entries at `indices` and of the norm."""
    values = np.asarray(received, dtype=np.float64).reshape(-1)
    if len(indices) > 0 and max(indices) >= len(values):
        return math.inf
    errors = (
        relative_error(values[np.asarray(indices, dtype=np.int64)], digest["entries"]),
        relative_error([np.linalg.norm(values)], [digest["norm"]]),
    )
    # max() would let NaN pass.
    return math.nan if any(math.isnan(error) for error in errors) else max(errors)


class Shares:
    """How much of each limit was used at most, and what was over it."""

    def __init__(self):
        self.used, self.passed, self.exceeding = {}, 0, []

    def add(self, limit_name, limit, where, value):
        share = value / limit
        if not share <= self.used.get(limit_name, (0, ""))[0]:
            self.used[limit_name] = (share, where)
        if share <= 1:  # not of NaN
            self.passed += 1
        else:
            self.exceeding.append(f"{where}: {limit_name} {value:.2e} > {limit:g}")

    def rows(self):
        return [[name, f"{share:.3f}", where] for name, (share, where) in self.used.items()]
