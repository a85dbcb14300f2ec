"""The convolutions of a network, read from its file (../../test/gpu/network_file.h)."""

import os
from collections import Counter
from dataclasses import dataclass

NETWORKS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "test", "gpu", "networks")


@dataclass(frozen=True)
class Convolution:
    """Of square images, kernels and padding."""

    size: int
    channels: int
    outChannels: int
    kernel: int
    stride: int
    padding: int

    def name(self):
        step = f", stride {self.stride}" if self.stride > 1 else ""
        window, image = f"{self.kernel}×{self.kernel}", f"{self.size}×{self.size}"
        return f"{window}, {self.channels} → {self.outChannels} of {image}{step}"

    def passes(self):
        """No step needs the gradient of the images; both gradients of others are made at once, "backward"."""
        return ("forward", "backward_filter") + (() if self.channels == 3 else ("backward_data", "backward"))

    def of_a_step(self):
        return ("forward", self.passes()[-1])


def path(network):
    return os.path.join(NETWORKS, f"{network}.tsv")


def convolutions(network):
    """How often a step of the network has each."""
    with open(path(network), encoding="utf-8") as file:
        input_line, *lines = (line.rstrip("\n").split("\t") for line in file)
    size, _, channels = map(int, fields_of(input_line)["size"].split(","))
    made, found = {-1: (size, channels)}, Counter()
    for index, line in enumerate(lines):
        fields = fields_of(line)
        size, channels = made[int(fields["inputs"].split(",")[0])]
        if line[0] in ("conv2d", "maxPool2d"):
            kernel, stride, padding = (int(fields.get(name, 0)) for name in ("kernelSize", "stride", "padding"))
            if line[0] == "conv2d":
                one = Convolution(size, channels, int(fields["outChannels"]), kernel, stride or 1, padding)
                found[one] += 1
                channels = one.outChannels
            size = (size + 2 * padding - kernel) // (stride or 1) + 1
        elif line[0] not in ("batchNorm", "relu", "add", "globalAveragePool"):
            raise ValueError(f"{network}: what {line[0]} makes of a shape is not known here")
        made[index] = (size, channels)
    return found


def fields_of(line):
    return dict(field.split("=", 1) for field in line[1:])
