"""Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC 2011), and what this
project draws from it. Written from the paper and the project's specification, not from the C++ code.

    key     = seed, low and high 32 bits
    counter = index low, index high, stream, purpose
"""

import numpy as np

WEIGHTS, SHUFFLE, DROPOUT, AUGMENTATION = 1, 2, 3, 4  # purposes

_MULTIPLIER = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


def philox(counters, key):
    """Ten rounds. counters: (n, 4) of 32-bit words; key: two 32-bit words. Returns (n, 4), uint32."""
    c0, c1, c2, c3 = (np.asarray(counters, dtype=np.uint64)[:, i] for i in range(4))
    k0, k1 = (int(word) for word in key)
    for _ in range(10):
        product0, product1 = _MULTIPLIER[0] * c0, _MULTIPLIER[1] * c2
        c0, c1, c2, c3 = (
            (product1 >> _32) ^ c1 ^ np.uint64(k0),
            product1 & _LOW,
            (product0 >> _32) ^ c3 ^ np.uint64(k1),
            product0 & _LOW,
        )
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=1).astype(np.uint32)


def outputs(seed, purpose, stream, indices):
    """Four 32-bit outputs for each index: (n, 4), uint32."""
    indices = np.asarray(indices, dtype=np.uint64)
    counters = np.empty((len(indices), 4), dtype=np.uint64)
    counters[:, 0] = indices & _LOW
    counters[:, 1] = indices >> _32
    counters[:, 2] = stream
    counters[:, 3] = purpose
    return philox(counters, (seed & 0xFFFFFFFF, seed >> 32))


def normal(seed, stream, count, std):
    """Flat float32 values with mean 0 (Box & Muller 1958): of each two outputs the first gives the radius, the second
    the angle; the cosine comes before the sine."""
    words = outputs(seed, WEIGHTS, stream, np.arange((count + 3) // 4)).reshape(-1, 2).astype(np.float64)
    radius = np.sqrt(-2.0 * np.log((words[:, 0] + 1.0) * 2.0**-32))
    angle = 2.0 * np.pi * words[:, 1] * 2.0**-32
    pairs = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1) * std
    return pairs.reshape(-1)[:count].astype(np.float32)


def uniform(seed, stream, count, bound):
    """Flat float32 values in ±bound, each from 24 random bits, in double before it is rounded."""
    words = outputs(seed, WEIGHTS, stream, np.arange((count + 3) // 4)).reshape(-1)[:count]
    u = (words >> np.uint32(8)).astype(np.float64) * 2.0**-24
    return ((2.0 * u - 1.0) * bound).astype(np.float32)


def xavier_uniform(seed, stream, count, fan_in, fan_out):
    """Uniform in ±sqrt(6 / (fan_in + fan_out))."""
    return uniform(seed, stream, count, np.sqrt(6.0 / (fan_in + fan_out)))


def fan_in_uniform(seed, stream, count, fan_in):
    """Uniform in ±1/sqrt(fan_in)."""
    return uniform(seed, stream, count, 1.0 / np.sqrt(fan_in))


def permutation(seed, epoch, count):
    """Fisher-Yates from the end, over 0…count-1."""
    words = outputs(seed, SHUFFLE, epoch, np.arange(count)).astype(np.uint64)
    draws = (words[:, 0] | (words[:, 1] << _32)).tolist()
    order = list(range(count))
    for i in range(count - 1, 0, -1):
        j = draws[i] % (i + 1)
        order[i], order[j] = order[j], order[i]
    return order


# Known answers of the authors' library (Random123, kat_vectors, philox4x32 with 10 rounds): counter, key, result.
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def check_known_answers():
    def words(text):
        return [int(word, 16) for word in text.split()]

    for counter, key, expected in KNOWN_ANSWERS:
        received = philox([words(counter)], words(key))[0].tolist()
        if received != words(expected):
            raise AssertionError(f"philox({counter}; {key}) is {received}, not {expected}")
