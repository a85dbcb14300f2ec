"""The seed CNN with a small embedding, seen from both sides: the arena (our names, order and layout) and PyTorch.

    28×28×1 → conv1 5×5 → 24×24×32 → ReLU → pool 2 → 12×12×32 → conv2 3×3 → 10×10×64 → ReLU → pool 2 → 5×5×64
            → flatten (NHWC order) → fc1 → embedding 128 → head.weight (10, 128)
"""

import numpy as np
import torch
import torch.nn.functional as F

import philox

EMBEDDING_SIZE = 128
NUM_CLASSES = 10
POOLED = (5, 5, 64)  # H, W, C before fc1

# In arena order, which is the order of the random streams: decayed backbone, other backbone, decayed head, other head;
# then state that is not trained. A head has some of the head's tensors; PEDCC has its class weights among the state.
# Convolution weights are OHWI; fc1's columns follow the NHWC order of its input.
SHAPES = {
    "conv1.weight": (32, 5, 5, 1),
    "conv2.weight": (64, 3, 3, 32),
    "fc1.weight": (EMBEDDING_SIZE, int(np.prod(POOLED))),
    "conv1.bias": (32,),
    "conv2.bias": (64,),
    "fc1.bias": (EMBEDDING_SIZE,),
    "head.weight": (NUM_CLASSES, EMBEDDING_SIZE),
    "head.bias": (NUM_CLASSES,),
    "head.scale": (1,),
    "head.centers": (NUM_CLASSES, EMBEDDING_SIZE),
    "head.runningMean": (NUM_CLASSES,),
    "head.runningVariance": (NUM_CLASSES,),
}
BACKBONE = [name for name in SHAPES if not name.startswith("head.")]


def decays(name):
    """Weight decay is for convolution, linear and class weights only."""
    return name.endswith(".weight")


def random_weights(seed):
    """name → float32 array in our layout, of every tensor that starts at random."""
    weights = {}
    for stream, (name, shape) in enumerate(SHAPES.items()):
        if not decays(name):
            continue
        count, fan_in = int(np.prod(shape)), int(np.prod(shape[1:]))
        if name in BACKBONE:
            values = philox.fan_in_uniform(seed, stream, count, fan_in)
        else:
            values = philox.xavier_uniform(seed, stream, count, fan_in, fan_out=shape[0])
        weights[name] = values.reshape(shape)
    return weights


def centroids():
    """PEDCC's in the test: a regular simplex, unit vectors sqrt(C/(C-1)) * (e_i - 1/C) in the first C coordinates."""
    values = np.zeros(SHAPES["head.weight"])
    values[:, :NUM_CLASSES] = np.eye(NUM_CLASSES) - 1.0 / NUM_CLASSES
    return (np.sqrt(NUM_CLASSES / (NUM_CLASSES - 1.0)) * values).astype(np.float32)


def to_torch(name, array):
    """From our layout to PyTorch's: OHWI → OIHW, fc1's columns HWC → CHW."""
    if array.ndim == 4:
        array = array.transpose(0, 3, 1, 2)
    elif name == "fc1.weight":
        array = array.reshape(-1, *POOLED).transpose(0, 3, 1, 2).reshape(array.shape)
    return np.ascontiguousarray(array)


def from_torch(name, array):
    """The inverse of to_torch."""
    if array.ndim == 4:
        array = array.transpose(0, 2, 3, 1)
    elif name == "fc1.weight":
        height, width, channels = POOLED
        array = array.reshape(-1, channels, height, width).transpose(0, 2, 3, 1).reshape(array.shape)
    return np.ascontiguousarray(array)


def torch_tensors(arrays, dtype, trained):
    return {
        name: torch.tensor(to_torch(name, array), dtype=dtype, requires_grad=name in trained)
        for name, array in arrays.items()
    }


def embed(p, images):
    """images: (N, 1, 28, 28), already normalised. Returns embeddings (N, EMBEDDING_SIZE)."""
    x = F.max_pool2d(F.relu(F.conv2d(images, p["conv1.weight"], p["conv1.bias"])), 2)
    x = F.max_pool2d(F.relu(F.conv2d(x, p["conv2.weight"], p["conv2.bias"])), 2)
    return F.linear(x.flatten(1), p["fc1.weight"], p["fc1.bias"])
