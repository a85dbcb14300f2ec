"""margincore's networks in PyTorch, up to the embedding: models.seedCnn(), resnet18() and lSoftmaxNet()."""

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


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        first, second = conv_bn(inputs, outputs, 3, stride), conv_bn(outputs, outputs, 3)
        self.body = nn.Sequential(*first, nn.ReLU(inplace=True), *second)
        self.shortcut = nn.Identity() if stride == 1 else nn.Sequential(*conv_bn(inputs, outputs, 1, stride))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.body(x) + self.shortcut(x))


class ResNet18(nn.Module):
    """As torchvision has it, but for the first layers, which are those for images of 32."""

    def __init__(self, imageSize):
        super().__init__()
        assert imageSize == 32
        self.size = 512
        blocks, inputs = [], 64
        for stage, outputs in enumerate((64, 128, 256, 512)):
            blocks += [BasicBlock(inputs, outputs, 1 if stage == 0 else 2), BasicBlock(outputs, outputs, 1)]
            inputs = outputs
        self.layers = nn.Sequential(*conv_bn(3, 64, 3), nn.ReLU(inplace=True), *blocks)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x):
        return F.adaptive_avg_pool2d(self.layers(x), 1).flatten(1)


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


NETWORKS = {"seedCnn": SeedCnn, "resnet18": ResNet18, "lSoftmaxNet": LSoftmaxNet}


def build(network):
    return NETWORKS[network["name"]](**network["options"])
