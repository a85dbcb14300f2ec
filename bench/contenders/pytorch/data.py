"""Fashion-MNIST, as shared/enlarge.mjs makes it for margincore."""

import gzip
import struct

import torch
import torch.nn.functional as F


def load(job):
    """The first `limit` training images, uint8 (N, C, H, W), and their labels."""
    count, side = job["limit"], job["side"]
    images = read_idx(job["images"])[:count, None]
    before = (side - images.shape[-1]) // 2
    after = side - images.shape[-1] - before
    images = F.pad(images, (before, after, before, after)).expand(-1, job["channels"], -1, -1)
    return images.contiguous(), read_idx(job["labels"])[:count].long()


def read_idx(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        content = bytearray(file.read())
    dims = content[3]
    shape = struct.unpack(f">{dims}I", content[4 : 4 + 4 * dims])
    return torch.frombuffer(content, dtype=torch.uint8, offset=4 + 4 * dims).view(shape)


def mean_and_std(images):
    """Of all pixels in [0, 1]; from counts, so that no float copy of the data adds to peak memory."""
    counts = torch.bincount(images.flatten(), minlength=256).double()
    values = torch.arange(256) / 255
    mean = (counts * values).sum() / counts.sum()
    variance = (counts * (values - mean) ** 2).sum() / counts.sum()
    return mean.item(), variance.sqrt().item()
