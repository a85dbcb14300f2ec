"""Inputs for whole heads that Python and JavaScript (headInputs.ts) make alike, bit for bit, so none are stored.

Random numbers come from integers. Features are computed in double with + - * / and sqrt alone, one operation after the
other, since those are rounded alike everywhere, and then rounded to float32.
"""

import hashlib
import math

import numpy as np

# degrees: cosine and sine; not computed, since libraries round them differently
ANGLES = {
    1: (0.9998476951563913, 0.01745240643728351),
    10: (0.984807753012208, 0.17364817766693033),
    60: (0.5000000000000001, 0.8660254037844386),
    100: (-0.1736481776669303, 0.984807753012208),
    170: (-0.984807753012208, 0.17364817766693028),
    179: (-0.9998476951563913, 0.01745240643728344),
}
LENGTHS = (1.5, 3.0, 0.75, 2.0, 4.0, 1.0)  # of feature rows, in turn

# name: classes, embedding size, and for each sample the angle to its class
SIZES = {
    "6x17x8": (17, 8, (1, 10, 60, 100, 170, 179)),
    "4x10x128": (10, 128, (179, 100, 10, 1)),
    "3x1009x64": (1009, 64, (1, 60, 170)),
    "5x4x2": (4, 2, (10, 60, 100, 170, 179)),
    **{f"1x10x16 at {angle}": (10, 16, (angle,)) for angle in ANGLES},
}


def numbers(stream, count, scale):
    """float32 in [-scale, scale) with 24 random bits: the integer hash lowbias32 of 2^16 * stream + index."""
    x = np.arange(count, dtype=np.uint32) + np.uint32(stream << 16)
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    x = x ^ (x >> np.uint32(16))
    return (((x >> np.uint32(8)).astype(np.float64) * 2.0**-23 - 1.0) * scale).astype(np.float32)


def dot(a, b):
    total = 0.0
    for x, y in zip(a, b):
        total += x * y
    return total


def at_angle(w, v, cosine, sine, length):
    """In the plane of w and v, at an angle from w. Lists of floats."""
    size = math.sqrt(dot(w, w))
    along = [x / size for x in w]
    part = dot(along, v)
    across = [x - part * y for x, y in zip(v, along)]
    size = math.sqrt(dot(across, across))
    return [length * (cosine * x + sine * (y / size)) for x, y in zip(along, across)]


def make(classes, embedding, angles):
    """name → float32 or int32 array."""
    samples = len(angles)
    labels = [3 * i * (i - 1) // 2 % classes for i in range(samples)]  # the first two share a class
    weights = numbers(1, classes * embedding, 0.5).reshape(classes, embedding)
    directions = numbers(2, samples * embedding, 1.0).reshape(samples, embedding)
    features = [
        at_angle(weights[label].tolist(), directions[i].tolist(), *ANGLES[angle], LENGTHS[i])
        for i, (label, angle) in enumerate(zip(labels, angles))
    ]
    return {
        "features": np.array(features).astype(np.float32),
        "weights": weights,
        "bias": numbers(3, classes, 1.0),
        "centers": numbers(4, classes * embedding, 0.5).reshape(classes, embedding),
        "classWeights": numbers(5, classes, 0.5) + np.float32(1),
        "labels": np.array(labels, dtype=np.int32),
    }


def checksum(inputs):
    return hashlib.sha256(b"".join(array.tobytes() for array in inputs.values())).hexdigest()
