"""Writes model_counts.json: sizes of the published networks, counted by PyTorch.

    python model_counts.py [--out FILE]    makes the file
    python model_counts.py --check         compares a new count with the committed file

Each network is written from its paper's table, independently of the library, and holds no memory (meta tensors).
Counted are parameters, multiply-accumulates of convolutions and linear layers, and the outputs of named parts as
[H, W, C] or [D]; all without a head. The script stops where parameters with a 1,000-class head differ from those that
torchvision documents.
"""

import torch
from torch import nn

import stored

# With a 1,000-class head, from torchvision's documentation.
TORCHVISION_PARAMETERS = {
    "vgg11": 132_868_840,
    "vgg16": 138_365_992,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnext50": 25_028_904,
    "densenet121": 7_978_856,
}
IMAGE_SIZES = (224, 160, 112, 64, 32)
# Networks of other widths, each for images of one size.
WIDTHS = ((224, 0.5), (64, 2), (32, 0.3))


def divisible(value, width):
    """_make_divisible of torchvision.models._utils, with 8."""
    value *= width
    rounded = max(8, int(value + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * value else rounded


class Parts(nn.Sequential):
    """Parts with names, one after another."""

    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)


class Flatten(nn.Module):
    def forward(self, x):
        return x.flatten(1)


class Mean(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


# ---- He et al. 2016, Xie et al. 2017, tables 1 ----------------------------------------------------------------------


def conv_norm(c_in, c_out, k, stride=1, groups=1):
    conv = nn.Conv2d(c_in, c_out, k, stride, k // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(c_out))


class Residual(nn.Module):
    def __init__(self, c_in, c_out, stride, branch):
        super().__init__()
        self.branch = branch
        self.identity = None if c_in == c_out and stride == 1 else conv_norm(c_in, c_out, 1, stride)

    def forward(self, x):
        return torch.relu(self.branch(x) + (x if self.identity is None else self.identity(x)))


def basic_block(c_in, c_out, stride):
    branch = nn.Sequential(conv_norm(c_in, c_out, 3, stride), nn.ReLU(), conv_norm(c_out, c_out, 3))
    return Residual(c_in, c_out, stride, branch)


def bottleneck_block(c_in, c_out, stride, c_mid, groups):
    branch = nn.Sequential(
        conv_norm(c_in, c_mid, 1),
        nn.ReLU(),
        conv_norm(c_mid, c_mid, 3, stride, groups),
        nn.ReLU(),
        conv_norm(c_mid, c_out, 1),
    )
    return Residual(c_in, c_out, stride, branch)


def image_stem(size, width):
    c_out = divisible(64, width)
    if size >= 128:
        return nn.Sequential(conv_norm(3, c_out, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    return nn.Sequential(conv_norm(3, c_out, 3, 1 if size < 64 else 2), nn.ReLU())


def residual_network(size, width, stages):
    """stages: of each its blocks, as (function, arguments)."""
    net = Parts(stem=image_stem(size, width))
    for number, blocks in enumerate(stages, 1):
        net.add_module(f"layer{number}", nn.Sequential(*(make(*arguments) for make, arguments in blocks)))
    net.add_module("avgpool", Mean())
    return net


def basic_stages(width, *depths):
    c_in, stages = divisible(64, width), []
    for number, (published, depth) in enumerate(zip((64, 128, 256, 512), depths)):
        c_out = divisible(published, width)
        first = (basic_block, (c_in, c_out, 1 if number == 0 else 2))
        stages.append([first] + [(basic_block, (c_out, c_out, 1))] * (depth - 1))
        c_in = c_out
    return stages


def bottleneck_stages(width, groups):
    """groups: 1, or the 32 of ResNeXt, each of a sixteenth of the stage's channels."""
    c_in, stages = divisible(64, width), []
    for number, (published, depth) in enumerate(zip((64, 128, 256, 512), (3, 4, 6, 3))):
        planes = divisible(published, width)
        c_mid = planes if groups == 1 else 32 * max(1, int(planes / 16 + 0.5))
        c_out = 4 * planes
        first = (bottleneck_block, (c_in, c_out, 1 if number == 0 else 2, c_mid, groups))
        stages.append([first] + [(bottleneck_block, (c_out, c_out, 1, c_mid, groups))] * (depth - 1))
        c_in = c_out
    return stages


# ---- Huang et al. 2017, table 1 -------------------------------------------------------------------------------------


class DenseLayer(nn.Module):
    def __init__(self, c_in, k):
        super().__init__()
        self.added = nn.Sequential(
            *(nn.BatchNorm2d(c_in), nn.ReLU(), nn.Conv2d(c_in, 4 * k, 1, bias=False)),
            *(nn.BatchNorm2d(4 * k), nn.ReLU(), nn.Conv2d(4 * k, k, 3, padding=1, bias=False)),
        )

    def forward(self, x):
        return torch.cat([x, self.added(x)], 1)


def transition(c_in):
    conv = nn.Conv2d(c_in, c_in // 2, 1, bias=False)
    return nn.Sequential(nn.BatchNorm2d(c_in), nn.ReLU(), conv, nn.AvgPool2d(2))


def densenet121(size, width):
    k = divisible(32, width)

    def block(c_in, depth):
        return nn.Sequential(*(DenseLayer(c_in + k * i, k) for i in range(depth)))

    c1 = divisible(64, width)
    c2 = (c1 + 6 * k) // 2
    c3 = (c2 + 12 * k) // 2
    c4 = (c3 + 24 * k) // 2
    features = Parts(
        stem=image_stem(size, width),
        denseblock1=block(c1, 6),
        transition1=transition(2 * c2),
        denseblock2=block(c2, 12),
        transition2=transition(2 * c3),
        denseblock3=block(c3, 24),
        transition3=transition(2 * c4),
        denseblock4=block(c4, 16),
        norm5=nn.BatchNorm2d(c4 + 16 * k),
    )
    return Parts(features=features, relu=nn.ReLU(), avgpool=Mean())


# ---- Simonyan & Zisserman 2015, table 1 -----------------------------------------------------------------------------


def vgg(size, width, columns):
    """columns: the table's, 'M' for maxpool."""
    layers, c_in = [], 3
    for column in columns:
        if column == "M":
            layers.append(nn.MaxPool2d(2))
            continue
        stride = 2 if 64 <= size < 128 and not layers else 1
        c_out = divisible(column, width)
        layers += [nn.Conv2d(c_in, c_out, 3, stride, 1), nn.BatchNorm2d(c_out), nn.ReLU()]
        c_in = c_out
    units = divisible(4096 if size >= 128 else 512, width)
    if size >= 128:
        hidden = [
            nn.Linear(c_in * (size // 32) ** 2, units),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(units, units),
            nn.ReLU(),
            nn.Dropout(),
        ]
    else:
        hidden = [nn.Linear(c_in, units), nn.BatchNorm1d(units), nn.ReLU(), nn.Dropout()]
    return Parts(features=nn.Sequential(*layers), flatten=Flatten(), classifier=nn.Sequential(*hidden))


VGG_A = (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M")
VGG_D = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")


# ---- Liu et al. 2016, table 1, and the files that its authors released ----------------------------------------------


def l_softmax_net(c_image, conv0, conv1, conv2, conv3, depth, places, fc, activation):
    def unit(c_in, c_out):
        act = nn.PReLU(c_out) if activation == "prelu" else nn.ReLU()
        return nn.Sequential(nn.Conv2d(c_in, c_out, 3, padding=1), nn.BatchNorm2d(c_out), act)

    def stage(c_in, c_out):
        return nn.Sequential(unit(c_in, c_out), *(unit(c_out, c_out) for _ in range(depth - 1)))

    return Parts(
        pre=unit(c_image, conv0),
        conv1=stage(conv0, conv1),
        pool1=nn.MaxPool2d(2),
        conv2=stage(conv1, conv2),
        pool2=nn.MaxPool2d(2),
        conv3=stage(conv2, conv3),
        pool3=nn.MaxPool2d(2),
        flatten=Flatten(),
        ip1=nn.Linear(conv3 * places, fc),
        bn_ip=nn.BatchNorm1d(fc),
    )


def lenet_plus_plus(c1=32, c2=64, c3=128):
    def pair(c_in, c_out):
        return nn.Sequential(
            *(nn.Conv2d(c_in, c_out, 5, padding=2), nn.PReLU(c_out)),
            *(nn.Conv2d(c_out, c_out, 5, padding=2), nn.PReLU(c_out)),
        )

    return Parts(
        conv1=pair(1, c1),
        pool1=nn.MaxPool2d(2),
        conv2=pair(c1, c2),
        pool2=nn.MaxPool2d(2),
        conv3=pair(c2, c3),
        pool3=nn.MaxPool2d(2),
        flatten=Flatten(),
        embedding=nn.Linear(c3 * 3 * 3, 2),
    )


# ---- counting -------------------------------------------------------------------------------------------------------

SIZED = {
    "vgg11": lambda size, width: vgg(size, width, VGG_A),
    "vgg16": lambda size, width: vgg(size, width, VGG_D),
    "resnet18": lambda size, width: residual_network(size, width, basic_stages(width, 2, 2, 2, 2)),
    "resnet34": lambda size, width: residual_network(size, width, basic_stages(width, 3, 4, 6, 3)),
    "resnet50": lambda size, width: residual_network(size, width, bottleneck_stages(width, 1)),
    "resnext50": lambda size, width: residual_network(size, width, bottleneck_stages(width, 32)),
    "densenet121": densenet121,
}

# name: the network, and the shape of its image as (C, H, W).
OTHERS = {
    "lSoftmaxNet-mnist": (lambda: l_softmax_net(1, 64, 64, 64, 64, 3, 3 * 3, 256, "prelu"), (1, 28, 28)),
    "lSoftmaxNet-cifar10": (lambda: l_softmax_net(3, 64, 64, 96, 128, 4, 4 * 4, 256, "prelu"), (3, 32, 32)),
    "lSoftmaxNet-cifar100": (lambda: l_softmax_net(3, 96, 96, 192, 384, 4, 4 * 4, 512, "prelu"), (3, 32, 32)),
    "lSoftmaxNet-mnist-released": (lambda: l_softmax_net(1, 64, 64, 128, 256, 3, 3 * 3, 512, "relu"), (1, 28, 28)),
    "lSoftmaxNet-cifar10-released": (lambda: l_softmax_net(3, 64, 64, 128, 256, 4, 4 * 4, 512, "relu"), (3, 32, 32)),
    "lenetPlusPlus": (lenet_plus_plus, (1, 28, 28)),
    # Half as wide.
    "lSoftmaxNet-mnist-width0.5": (lambda: l_softmax_net(1, 32, 32, 32, 32, 3, 3 * 3, 128, "prelu"), (1, 28, 28)),
    "lSoftmaxNet-cifar10-width0.5": (lambda: l_softmax_net(3, 32, 32, 48, 64, 4, 4 * 4, 128, "prelu"), (3, 32, 32)),
    "lSoftmaxNet-cifar100-width0.5": (lambda: l_softmax_net(3, 48, 48, 96, 192, 4, 4 * 4, 256, "prelu"), (3, 32, 32)),
    "lenetPlusPlus-width0.5": (lambda: lenet_plus_plus(16, 32, 64), (1, 28, 28)),
}


# Parts that have no name in the library.
UNNAMED = ("stem", "pre", "flatten")


def channels_last(shape):
    _, channels, *places = shape
    return [*places, channels]


def named_parts(parts, prefix=""):
    for name, part in parts.named_children():
        if name not in UNNAMED:
            yield prefix + name, part
        if isinstance(part, Parts):
            yield from named_parts(part, f"{prefix}{name}.")


def count(make, image):
    """image: its shape as (C, H, W)."""
    macs, outputs = 0, {}

    def add_macs(module, inputs, output):
        nonlocal macs
        per_output = module.weight[0].numel()  # inputs of one output number: those of its group
        macs += per_output * output[0].numel()

    def store_output(name):
        return lambda module, inputs, output: outputs.update({name: channels_last(output.shape)})

    with torch.device("meta"):
        net = make().eval()
        for module in net.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                module.register_forward_hook(add_macs)
        for name, part in named_parts(net):
            part.register_forward_hook(store_output(name))
        embedding = net(torch.empty(1, *image))
    return {
        "input": channels_last((1, *image)),
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "macs": macs,
        "embeddingSize": embedding.shape[1],
        "outputs": outputs,
    }


def counts():
    result = {}
    for name, make in SIZED.items():
        for size in IMAGE_SIZES:
            result[f"{name}-{size}"] = count(lambda: make(size, 1), (3, size, size))
        largest = result[f"{name}-224"]
        with_head = largest["parameters"] + 1000 * largest["embeddingSize"] + 1000
        if with_head != TORCHVISION_PARAMETERS[name]:
            raise SystemExit(f"{name}: {with_head} parameters, torchvision has {TORCHVISION_PARAMETERS[name]}")
    for name, (make, image) in OTHERS.items():
        result[name] = count(make, image)
    for name, make in SIZED.items():
        for size, width in WIDTHS:
            result[f"{name}-{size}-width{width}"] = count(lambda: make(size, width), (3, size, size))
    return result


if __name__ == "__main__":
    stored.main(__doc__, "model_counts.json", counts)
