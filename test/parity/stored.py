"""How results are stored: of each tensor its L2 norm and 64 entries; as JSON that can be read and compared."""

import argparse
import json
import math
import os
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ENTRIES = 64


def spread(count):
    """ENTRIES flat indices, one in each stretch of count/ENTRIES, at varying places of it (in a fixed grid they would
    all fall into one column of a matrix); every index of a small tensor."""
    if count <= ENTRIES:
        return list(range(count))
    return [(count * ((i << 32) | (i * 0x9E3779B9 & 0xFFFFFFFF))) >> 38 for i in range(ENTRIES)]


def number(value):
    return float(f"{value:.9g}")


def digest(array):
    """The L2 norm and the spread entries of one tensor."""
    flat = array.reshape(-1).astype(np.float64)  # the norm too
    return {"norm": number(np.linalg.norm(flat)), "entries": [number(flat[i]) for i in spread(flat.size)]}


def digests(arrays):
    return {name: digest(array) for name, array in arrays.items()}


def distance(received, expected):
    """Relative error of the spread entries (Frobenius) and of the norm, the larger."""
    a, b = received.reshape(-1), expected.reshape(-1)
    index = spread(b.size)
    entries = np.linalg.norm(a[index] - b[index]) / np.linalg.norm(b[index])
    norm = abs(np.linalg.norm(a) - np.linalg.norm(b)) / np.linalg.norm(b)
    return max(entries, norm)


def to_json(value, indent=""):
    """JSON with objects over several lines and each array on one."""
    if not isinstance(value, dict):
        return json.dumps(value, separators=(",", ":"))
    if not any(isinstance(v, (dict, list)) for v in value.values()):
        return json.dumps(value)
    inner = indent + " "
    lines = [f"{inner}{json.dumps(key)}: {to_json(item, inner)}" for key, item in value.items()]
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"


def differences(received, expected, path=""):
    """Places where two references differ by more than a millionth; the noise and the versions are not compared."""
    if path in (".fp32Noise", ".madeWith"):
        return []
    if isinstance(expected, dict) and isinstance(received, dict) and expected.keys() == received.keys():
        return [d for key in expected for d in differences(received[key], expected[key], f"{path}.{key}")]
    if isinstance(expected, list) and isinstance(received, list) and len(received) == len(expected):
        # A list of numbers is compared as one vector: its small entries have no digits of their own.
        if expected and all(isinstance(value, float) for value in (*expected, *received)):
            far = np.linalg.norm(np.subtract(received, expected)) > 1e-6 * np.linalg.norm(expected)
            return [path] if far else []
        pairs = enumerate(zip(received, expected))
        return [d for i, (a, b) in pairs for d in differences(a, b, f"{path}[{i}]")]
    if isinstance(expected, float) and isinstance(received, float):
        return [] if math.isclose(received, expected, rel_tol=1e-6) else [path]
    return [] if received == expected else [path]


def main(about, name, make):
    """The command line of a script that writes the file `name`, or compares with it."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--out", default=os.path.join(HERE, name))
    parser.add_argument("--check", action="store_true", help="compare with the file instead of writing it")
    arguments = parser.parse_args()
    text = to_json(make()) + "\n"
    if not arguments.check:
        with open(arguments.out, "w", encoding="utf-8") as file:
            file.write(text)
        return
    with open(arguments.out, encoding="utf-8") as file:
        different = differences(json.loads(text), json.load(file))
    if different:
        sys.exit("differs from the committed reference at:\n  " + "\n  ".join(different))
    print("the committed reference is confirmed", file=sys.stderr)
