"""Three small networks of the kinds that are graphs: residual, dense, and residual with groups. In plain PyTorch, by
the arena's names.

    resnet    stem 3×3/2, BN, ReLU → block1 → ReLU → block2 (stride 2, 1×1 shortcut) → ReLU → mean → fc
    densenet  stem 3×3/2 → dense1 → dense2 → BN, ReLU, 1×1, average pool 2 → max pool 3/2 → flatten (NHWC order)
              → fc
    resnext   stem 3×3/2, PReLU of one slope → bottleneck (3×3 of 4 groups), PReLU → average pool 3/2 with padding
              → mean → fc
"""

import torch
import torch.nn.functional as F

from network import Network

EMBEDDING_SIZE = 16


# Tensors of layers, by name ------------------------------------------------------------------------------------------


def conv(name, out_channels, size, in_channels, bias=False):
    """in_channels: of one group"""
    weight = {f"{name}.weight": (out_channels, size, size, in_channels)}
    return {**weight, f"{name}.bias": (out_channels,)} if bias else weight


def linear(name, columns):
    return {f"{name}.weight": (EMBEDDING_SIZE, columns), f"{name}.bias": (EMBEDDING_SIZE,)}


OF_NORM = ("weight", "bias", "runningMean", "runningVariance")


def norm(name, channels):
    return {f"{name}.{what}": (channels,) for what in OF_NORM}


def slopes(name, count):
    return {f"{name}.weight": (count,)}


def starts(shapes, slope=0.25):
    """Scales of batch norms and running variances at 1, slopes where PReLU's authors have them."""
    norms = {name.removesuffix(".runningMean") for name in shapes if name.endswith(".runningMean")}
    ones = {f"{name}.{what}": 1.0 for name in norms for what in ("weight", "runningVariance")}
    scales = {name: slope for name, shape in shapes.items() if len(shape) == 1 and name.endswith(".weight")}
    return {**scales, **ones}


# Layers --------------------------------------------------------------------------------------------------------------


def batch_norm(p, name, x, training):
    weight, bias, mean, variance = (p[f"{name}.{what}"] for what in OF_NORM)
    return F.batch_norm(x, mean, variance, weight, bias, training, momentum=0.1, eps=1e-5)


def average_pool(x):
    return F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)


# Networks ------------------------------------------------------------------------------------------------------------


def resnet(p, x, training):
    def bn(name, x):
        return batch_norm(p, name, x, training)

    x = F.relu(bn("stemNorm", F.conv2d(x, p["stem.weight"], stride=2, padding=1)))

    y = F.relu(bn("block1.norm1", F.conv2d(x, p["block1.conv1.weight"], padding=1)))
    y = bn("block1.norm2", F.conv2d(y, p["block1.conv2.weight"], padding=1))
    x = F.relu(y + x)

    y = F.relu(bn("block2.norm1", F.conv2d(x, p["block2.conv1.weight"], stride=2, padding=1)))
    y = bn("block2.norm2", F.conv2d(y, p["block2.conv2.weight"], padding=1))
    x = F.relu(y + bn("block2.shortcutNorm", F.conv2d(x, p["block2.shortcut.weight"], stride=2)))

    return F.linear(x.mean((2, 3)), p["fc.weight"], p["fc.bias"])


def densenet(p, x, training):
    def bn_relu(name, x):
        return F.relu(batch_norm(p, name, x, training))

    x = F.conv2d(x, p["stem.weight"], stride=2, padding=1)
    for layer in ("dense1", "dense2"):
        y = F.conv2d(bn_relu(f"{layer}.norm1", x), p[f"{layer}.conv1.weight"])
        y = F.conv2d(bn_relu(f"{layer}.norm2", y), p[f"{layer}.conv2.weight"], padding=1)
        x = torch.cat([x, y], dim=1)
    x = F.avg_pool2d(F.conv2d(bn_relu("transition.norm", x), p["transition.conv.weight"]), 2)
    x = F.max_pool2d(x, 3, stride=2, padding=1)
    return F.linear(x.flatten(1), p["fc.weight"], p["fc.bias"])


def resnext(p, x, training):
    def bn(name, x):
        return batch_norm(p, name, x, training)

    x = F.prelu(F.conv2d(x, p["stem.weight"], p["stem.bias"], stride=2, padding=1), p["stemSlope.weight"])

    y = F.prelu(bn("reduceNorm", F.conv2d(x, p["reduce.weight"])), p["reduceSlopes.weight"])
    y = F.prelu(bn("groupedNorm", F.conv2d(y, p["grouped.weight"], padding=1, groups=4)), p["groupedSlopes.weight"])
    y = bn("expandNorm", F.conv2d(y, p["expand.weight"]))
    x = F.prelu(x + y, p["sumSlopes.weight"])

    return F.linear(average_pool(x).mean((2, 3)), p["fc.weight"], p["fc.bias"])


# Their tensors, in the order of layers: a body before its shortcut.
RESNET = {
    **conv("stem", 4, 3, 1),
    **norm("stemNorm", 4),
    **conv("block1.conv1", 4, 3, 4),
    **norm("block1.norm1", 4),
    **conv("block1.conv2", 4, 3, 4),
    **norm("block1.norm2", 4),
    **conv("block2.conv1", 8, 3, 4),
    **norm("block2.norm1", 8),
    **conv("block2.conv2", 8, 3, 8),
    **norm("block2.norm2", 8),
    **conv("block2.shortcut", 8, 1, 4),
    **norm("block2.shortcutNorm", 8),
    **linear("fc", 8),
}

POOLED = (4, 4, 6)  # H, W, C before fc
DENSENET = {
    **conv("stem", 6, 3, 1),
    **norm("dense1.norm1", 6),
    **conv("dense1.conv1", 8, 1, 6),
    **norm("dense1.norm2", 8),
    **conv("dense1.conv2", 4, 3, 8),
    **norm("dense2.norm1", 10),
    **conv("dense2.conv1", 8, 1, 10),
    **norm("dense2.norm2", 8),
    **conv("dense2.conv2", 4, 3, 8),
    **norm("transition.norm", 14),
    **conv("transition.conv", 6, 1, 14),
    **linear("fc", 4 * 4 * 6),
}

RESNEXT = {
    **conv("stem", 12, 3, 1, bias=True),
    **slopes("stemSlope", 1),
    **conv("reduce", 8, 1, 12),
    **norm("reduceNorm", 8),
    **slopes("reduceSlopes", 8),
    **conv("grouped", 8, 3, 2),
    **norm("groupedNorm", 8),
    **slopes("groupedSlopes", 8),
    **conv("expand", 12, 1, 8),
    **norm("expandNorm", 12),
    **slopes("sumSlopes", 12),
    **linear("fc", 12),
}

GRAPHS = {
    "resnet": Network(RESNET, resnet, EMBEDDING_SIZE, constants=starts(RESNET)),
    "densenet": Network(DENSENET, densenet, EMBEDDING_SIZE, ("fc", POOLED), constants=starts(DENSENET)),
    "resnext": Network(RESNEXT, resnext, EMBEDDING_SIZE, constants=starts(RESNEXT)),
}
