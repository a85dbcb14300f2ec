"""ResNet-18 and -50 for small images in PyTorch, as lib/models/resnet.ts describes them: a 3×3 stem without max pool, of
stride 1 for 32×32 and of stride 2 for 64×64. The embedding is the mean over all places."""

import torch.nn.functional as F
from torch import nn


def convolution(channels, out_channels, kernel, stride=1):
    return nn.Conv2d(channels, out_channels, kernel, stride, kernel // 2, bias=False)


class Block(nn.Module):
    """Convolutions of (channels, kernel, stride), each with batch norm, beside the shortcut."""

    def __init__(self, channels, convolutions):
        super().__init__()
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        inputs, strides = channels, 1
        for out_channels, kernel, stride in convolutions:
            self.convolutions.append(convolution(inputs, out_channels, kernel, stride))
            self.norms.append(nn.BatchNorm2d(out_channels))
            inputs, strides = out_channels, strides * stride
        self.shortcut = nn.Identity()
        if inputs != channels or strides != 1:
            self.shortcut = nn.Sequential(convolution(channels, inputs, 1, strides), nn.BatchNorm2d(inputs))

    def forward(self, x):
        y = x
        for number, (conv, norm) in enumerate(zip(self.convolutions, self.norms)):
            y = norm(conv(F.relu(y) if number > 0 else y))
        return F.relu(y + self.shortcut(x))


def basic(channels, stride):
    return [(channels, 3, stride), (channels, 3, 1)]


def bottleneck(channels, stride):
    return [(channels, 1, 1), (channels, 3, stride), (4 * channels, 1, 1)]


def resnet(block, depths, stem_stride):
    layers = [convolution(3, 64, 3, stem_stride), nn.BatchNorm2d(64), nn.ReLU()]
    inputs = 64
    for stage, depth in enumerate(depths):
        channels = 64 << stage
        for number in range(depth):
            convolutions = block(channels, 2 if stage > 0 and number == 0 else 1)
            layers.append(Block(inputs, convolutions))
            inputs = convolutions[-1][0]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), inputs


def resnet18_32():
    """The network, and how many numbers its embedding has."""
    return resnet(basic, (2, 2, 2, 2), 1)


def resnet50_64():
    return resnet(bottleneck, (3, 4, 6, 3), 2)
