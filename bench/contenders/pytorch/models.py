"""margincore's networks in PyTorch, up to the embedding: models.seedCnn(), resnet18(), resnet50(), densenet121() and
lSoftmaxNet()."""

import torch
from torch import nn
import torch.nn.functional as F


class SeedCnn(nn.Module):
    def __init__(self, embeddingSize):
        super().__init__()
        self.size = embeddingSize
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.embedding = nn.Linear(64 * 5 * 5, embeddingSize)

    def forward(self, x):
        return self.embedding(self.features(x).flatten(1))


def conv_bn(inputs, outputs, kernel, stride=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs)


def basic(outputs, stride):
    """Convolutions of a block: channels, kernel, stride."""
    return (outputs, 3, stride), (outputs, 3, 1)


def bottleneck(outputs, stride):
    return (outputs, 1, 1), (outputs, 3, stride), (4 * outputs, 1, 1)


class Block(nn.Module):
    def __init__(self, inputs, convolutions, stride):
        super().__init__()
        layers, channels = [], inputs
        for outputs, kernel, its_stride in convolutions:
            layers += [*conv_bn(channels, outputs, kernel, its_stride), nn.ReLU(inplace=True)]
            channels = outputs
        self.body = nn.Sequential(*layers[:-1])  # the last ReLU is behind the sum
        keeps_shape = inputs == channels and stride == 1
        self.shortcut = nn.Identity() if keeps_shape else nn.Sequential(*conv_bn(inputs, channels, 1, stride))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.body(x) + self.shortcut(x))


def stem(outputs, imageSize):
    """As torchvision has it for 224; 3×3 of stride 1 for images of 32, of stride 2 for 64, and no max pool."""
    if imageSize == 224:
        return [*conv_bn(3, outputs, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    return [*conv_bn(3, outputs, 3, {32: 1, 64: 2}[imageSize]), nn.ReLU(inplace=True)]


class ResNet(nn.Module):
    """As torchvision has it, but for the first layers of small images."""

    def __init__(self, block, depths, imageSize):
        super().__init__()
        blocks, inputs = [], 64
        self.depths = depths
        for stage, depth in enumerate(depths):
            for number in range(depth):
                stride = 2 if stage > 0 and number == 0 else 1
                convolutions = block(64 << stage, stride)
                blocks.append(Block(inputs, convolutions, stride))
                inputs = convolutions[-1][0]
        self.size = inputs
        first = stem(64, imageSize)
        self.first, self.layers = len(first), nn.Sequential(*first, *blocks)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def freeze(self, stages):
        """The first layers and so many stages, as it is done: no gradients, and batch norms in eval mode."""
        for layer in self.layers[: self.first + sum(self.depths[:stages])]:
            layer.requires_grad_(False).eval()

    def forward(self, x):
        return F.adaptive_avg_pool2d(self.layers(x), 1).flatten(1)


def resnet18(imageSize):
    return ResNet(basic, (2, 2, 2, 2), imageSize)


def resnet50(imageSize):
    return ResNet(bottleneck, (3, 4, 6, 3), imageSize)


def bn_conv(inputs, outputs, kernel):
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return nn.BatchNorm2d(inputs), nn.ReLU(inplace=True), convolution


class DenseLayer(nn.Module):
    def __init__(self, inputs, growth):
        super().__init__()
        self.added = nn.Sequential(*bn_conv(inputs, 4 * growth, 1), *bn_conv(4 * growth, growth, 3))

    def forward(self, x):
        return torch.cat([x, self.added(x)], 1)


class DenseNet(nn.Module):
    """As torchvision has it, but for the first layers of small images, and without keeping what it concatenates apart."""

    def __init__(self, depths, imageSize, growth=32):
        super().__init__()
        layers, channels = stem(64, imageSize), 64
        for number, depth in enumerate(depths):
            if number > 0:
                layers += [*bn_conv(channels, channels // 2, 1), nn.AvgPool2d(2)]
                channels //= 2
            layers += [DenseLayer(channels + index * growth, growth) for index in range(depth)]
            channels += depth * growth
        self.size = channels
        self.layers = nn.Sequential(*layers, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x):
        return F.adaptive_avg_pool2d(self.layers(x), 1).flatten(1)


def densenet121(imageSize):
    return DenseNet((6, 12, 24, 16), imageSize)


class LSoftmaxNet(nn.Module):
    """Table 1 of the L-Softmax paper, CIFAR-10."""

    def __init__(self, dataset):
        super().__init__()
        assert dataset == "cifar10"
        self.size = 256
        layers, inputs = self.unit(3, 64), 64
        for outputs in (64, 96, 128):
            for _ in range(4):
                layers += self.unit(inputs, outputs)
                inputs = outputs
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.embedding = nn.Sequential(nn.Linear(128 * 4 * 4, self.size), nn.BatchNorm1d(self.size))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=0.25)

    @staticmethod
    def unit(inputs, outputs):
        return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.PReLU(outputs)]

    def forward(self, x):
        return self.embedding(self.features(x).flatten(1))


NETWORKS = {"seedCnn": SeedCnn, "resnet18": resnet18, "resnet50": resnet50, "lSoftmaxNet": LSoftmaxNet}


def build(network):
    return NETWORKS[network["name"]](**network["options"])
