"""The bundled Fashion-MNIST sample, unpacked for the native programs."""

import gzip
import os

import numpy as np

from comparison import ROOT

FOLDER = os.path.join(ROOT, "datasets", "fashion-mnist-sample")


def read(kind):
    """kind: train or t10k. Images (N, 28, 28) uint8 and labels (N) int32."""

    def content(name, header):
        with gzip.open(os.path.join(FOLDER, name), "rb") as file:
            return np.frombuffer(file.read(), dtype=np.uint8, offset=header)

    images = content(f"{kind}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
    return images, content(f"{kind}-labels-idx1-ubyte.gz", 8).astype(np.int32)


def mean_and_std(images):
    """Of pixels in [0, 1], rounded to float32 as the reference has them."""
    pixels = images.astype(np.float64) / 255
    return float(np.float32(pixels.mean())), float(np.float32(pixels.std()))


class SampleFiles:
    """The sample as raw files in `folder`, and the paths as keys of a job."""

    def __init__(self, folder):
        self.train, self.test = read("train"), read("t10k")
        self.mean, self.std = mean_and_std(self.train[0])
        self.paths = {}
        for prefix, (images, labels) in (("", self.train), ("test", self.test)):
            for name, array in (("images", images), ("labels", labels)):
                key = prefix + name.capitalize() if prefix else name
                self.paths[key] = os.path.join(folder, f"{key}.raw")
                array.tofile(self.paths[key])

    def training_keys(self):
        return {key: self.paths[key] for key in ("images", "labels")}
