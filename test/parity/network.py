"""A network seen from both sides, the arena (our names, order and layout) and PyTorch; and the seed CNN.

28×28×1 → conv1 5×5 → 24×24×32 → ReLU → pool 2 → 12×12×32 → conv2 3×3 → 10×10×64 → ReLU → pool 2 → 5×5×64
        → flatten (NHWC order) → fc1 → embedding 128 → head.weight (10, 128)
"""

import numpy as np
import torch
import torch.nn.functional as F

import philox

NUM_CLASSES = 10


class Network:
    """shapes: name → shape of the backbone's tensors in the order of layers; forward(p, images, training): embeddings,
    from tensors by their names and images (N, 1, 28, 28), already normalised; flattened: the linear layer that reads
    an image, and that image's (H, W, C); constants: name → where a tensor starts that is neither random nor 0."""

    def __init__(self, shapes, forward, embedding_size, flattened=(None, None), constants=None):
        self.embedding_size = embedding_size
        self.forward, self.flattened, self.own_constants = forward, flattened, constants or {}
        trained = {name: shape for name, shape in shapes.items() if not is_running(name)}
        # In arena order, which is the order of the random streams: decayed backbone, other backbone, decayed head,
        # other head; then state that is not trained. A head has some of the head's tensors; PEDCC has its class
        # weights among the state. Convolution weights are OHWI.
        self.backbone = sorted(trained, key=lambda name: len(shapes[name]) == 1)
        self.statistics = [name for name in shapes if is_running(name)]
        self.shapes = {
            **{name: shapes[name] for name in self.backbone},
            "head.weight": (NUM_CLASSES, embedding_size),
            "head.bias": (NUM_CLASSES,),
            "head.scale": (1,),
            **{name: shapes[name] for name in self.statistics},
            "head.centers": (NUM_CLASSES, embedding_size),
            "head.runningMean": (NUM_CLASSES,),
            "head.runningVariance": (NUM_CLASSES,),
        }

    def decays(self, name):
        """Weight decay is for convolution, linear and class weights only: no scale of a batch norm, no slope."""
        return name.endswith(".weight") and len(self.shapes[name]) > 1

    def tensor_names(self, head):
        """Arena order."""
        return self.backbone + head.trained() + self.statistics + head.state()

    def constants(self, head):
        """name → value of every tensor that does not start at random."""
        constants = {**self.own_constants, "head.scale": head.initial_scale, "head.runningVariance": 1.0}
        return {n: constants.get(n, 0.0) for n in self.tensor_names(head) if not self.decays(n)}

    def random_weights(self, seed):
        """name → float32 array in our layout, of every tensor that starts at random."""
        weights = {}
        for stream, (name, shape) in enumerate(self.shapes.items()):
            if not self.decays(name):
                continue
            count, fan_in = int(np.prod(shape)), int(np.prod(shape[1:]))
            if name in self.backbone:
                values = philox.fan_in_uniform(seed, stream, count, fan_in)
            else:
                values = philox.xavier_uniform(seed, stream, count, fan_in, fan_out=shape[0])
            weights[name] = values.reshape(shape)
        return weights

    def centroids(self):
        """PEDCC's in the test: a regular simplex, unit vectors sqrt(C/(C-1)) * (e_i - 1/C) in the first C coordinates."""
        values = np.zeros(self.shapes["head.weight"])
        values[:, :NUM_CLASSES] = np.eye(NUM_CLASSES) - 1.0 / NUM_CLASSES
        return (np.sqrt(NUM_CLASSES / (NUM_CLASSES - 1.0)) * values).astype(np.float32)

    def initial_tensors(self, head, seed):
        """name → float32 array in our layout."""
        tensors = self.random_weights(seed)
        if "head.weight" in head.state():
            tensors["head.weight"] = self.centroids()
        for name, value in self.constants(head).items():
            tensors[name] = np.full(self.shapes[name], value, dtype=np.float32)
        return {name: tensors[name] for name in self.tensor_names(head)}

    def to_torch(self, name, array):
        """From our layout to PyTorch's: OHWI → OIHW; columns that read an image, HWC → CHW."""
        layer, image = self.flattened
        if array.ndim == 4:
            array = array.transpose(0, 3, 1, 2)
        elif name == f"{layer}.weight":
            array = array.reshape(-1, *image).transpose(0, 3, 1, 2).reshape(array.shape)
        return np.ascontiguousarray(array)

    def from_torch(self, name, array):
        """The inverse of to_torch."""
        layer, image = self.flattened
        if array.ndim == 4:
            array = array.transpose(0, 2, 3, 1)
        elif name == f"{layer}.weight":
            height, width, channels = image
            array = array.reshape(-1, channels, height, width).transpose(0, 2, 3, 1).reshape(array.shape)
        return np.ascontiguousarray(array)

    def torch_tensors(self, arrays, dtype, trained):
        return {
            name: torch.tensor(self.to_torch(name, array), dtype=dtype, requires_grad=name in trained)
            for name, array in arrays.items()
        }

    def embed(self, p, images, training=False):
        """Embeddings (N, embedding_size). In training a batch norm uses the batch's statistics and moves its own."""
        return self.forward(p, images, training)


def is_running(name):
    return name.endswith((".runningMean", ".runningVariance"))


def seed_cnn(p, images, _):
    x = F.max_pool2d(F.relu(F.conv2d(images, p["conv1.weight"], p["conv1.bias"])), 2)
    x = F.max_pool2d(F.relu(F.conv2d(x, p["conv2.weight"], p["conv2.bias"])), 2)
    return F.linear(x.flatten(1), p["fc1.weight"], p["fc1.bias"])


POOLED = (5, 5, 64)  # H, W, C before fc1

SEED_CNN = Network(
    {
        "conv1.weight": (32, 5, 5, 1),
        "conv1.bias": (32,),
        "conv2.weight": (64, 3, 3, 32),
        "conv2.bias": (64,),
        "fc1.weight": (128, int(np.prod(POOLED))),
        "fc1.bias": (128,),
    },
    seed_cnn,
    embedding_size=128,
    flattened=("fc1", POOLED),
)
