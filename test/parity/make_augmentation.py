"""Writes augmentation.json: pixels of changed images, by torchvision's own functions.

    python make_augmentation.py [--out FILE]    makes the file
    python make_augmentation.py --check         compares a new computation with the committed file

What changes is drawn here as the project's specification says, from philox.py; the rules of torchvision's transforms
(RandomResizedCrop.get_params and others) are written down once more, and torchvision.transforms.v2.functional makes the
pixels. Several changes of coordinates together are one map: then grid_sample takes the coordinates, in fp64. Needs
torchvision.
"""

import math

import numpy as np
import torch
import torchvision
from torch.nn.functional import grid_sample, pad
from torchvision.transforms.v2 import functional as F

import philox
import stored

SEED, COUNT = 5, 3
SIZES = [(7, 9, 3), (6, 5, 1)]  # H, W, C
EPOCHS = [0, 3]

CASES = {
    "crop": {"crop": 3},
    "reflected crop": {"crop": 3, "padding": "reflect"},
    "flip": {"flip": True},
    "alternating flip": {"flip": "alternating"},
    "resized crop": {"resizedCrop": [0.08, 1]},
    "resized crop, ratio": {"resizedCrop": [0.2, 0.5], "cropRatio": [0.5, 2]},
    "rotate": {"rotate": 180},
    "translate": {"translate": 0.3},
    "scale": {"scale": [0.5, 2]},
    "shear": {"shear": 30},
    "affine": {"rotate": 20, "translate": 0.1, "scale": [0.8, 1.2], "shear": 10},
    "brightness": {"brightness": 0.9},
    "contrast": {"contrast": 0.9},
    "saturation": {"saturation": 1.5},
    "grey": {"grey": 0.5},
    "erase": {"erase": 0.7},
    "crop, flip": {"crop": 4, "flip": True},
    "crop, flip, affine": {"crop": 2, "flip": True, "rotate": 30, "translate": 0.2, "scale": [0.7, 1.3], "shear": 15},
    "reflected crop, flip, affine": {"crop": 2, "padding": "reflect", "flip": True, "rotate": 30, "scale": [0.5, 0.9]},
    "resized crop, flip, affine": {"resizedCrop": [0.3, 0.9], "flip": True, "rotate": 20},
    "resized crop, flip, colours, erase": {
        "resizedCrop": [0.3, 1],
        "flip": True,
        "brightness": 0.4,
        "contrast": 0.4,
        "saturation": 0.4,
        "grey": 0.2,
        "erase": 0.5,
        "eraseArea": [0.05, 0.2],
        "eraseRatio": [0.5, 2],
    },
}

DEFAULTS = {
    "crop": 0,
    "padding": "zero",
    "resizedCrop": [1, 1],
    "cropRatio": [0.75, 4 / 3],
    "flip": False,
    "rotate": 0,
    "translate": 0,
    "scale": [1, 1],
    "shear": 0,
    "brightness": 0,
    "contrast": 0,
    "saturation": 0,
    "grey": 0,
    "erase": 0,
    "eraseArea": [0.02, 0.33],
    "eraseRatio": [0.3, 3.3],
}


def images(height, width, channels):
    """Bytes by a formula that the test repeats."""
    count = COUNT * height * width * channels
    index = np.arange(count, dtype=np.uint64)
    return (
        ((index * np.uint64(2654435761) >> np.uint64(13)) % np.uint64(256))
        .astype(np.uint8)
        .reshape(COUNT, height, width, channels)
    )


class Draws:
    """Word w of place p: four words for each of 32 places of a sample in an epoch."""

    def __init__(self, epoch, sample):
        self.words = philox.outputs(SEED, philox.AUGMENTATION, epoch, sample * 32 + np.arange(32))
        self.constant = philox.outputs(SEED, philox.AUGMENTATION, 0, sample * 32 + np.arange(32))
        self.epoch = epoch

    def unit(self, place, word):
        return (int(self.words[place, word]) >> 8) / 2**24

    def uniform(self, least, most, place, word):
        least, most = float(np.float32(least)), float(np.float32(most))
        return least + (most - least) * self.unit(place, word)

    def integer(self, count, place, word):
        return count * int(self.words[place, word]) >> 32

    def log_uniform(self, ratio, place, word):
        low, high = (math.log(float(np.float32(each))) for each in ratio)
        return math.exp(low + (high - low) * self.unit(place, word))


def crop_box(o, draws, height, width):
    """RandomResizedCrop.get_params: top, left, height, width."""
    for place in range(3, 13):
        area = height * width * draws.uniform(*o["resizedCrop"], place, 0)
        aspect = draws.log_uniform(o["cropRatio"], place, 1)
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            return draws.integer(height - h + 1, place, 2), draws.integer(width - w + 1, place, 3), h, w
    ratio = width / height
    low, high = o["cropRatio"]
    w, h = width, height
    if ratio < low:
        h = round(w / low)
    elif ratio > high:
        w = round(h * high)
    return (height - h) // 2, (width - w) // 2, h, w


def erased_box(o, draws, height, width):
    """RandomErasing.get_params"""
    for place in range(13, 23):
        area = height * width * draws.uniform(*o["eraseArea"], place, 0)
        aspect = draws.log_uniform(o["eraseRatio"], place, 1)
        h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if h < height and w < width:
            return draws.integer(height - h + 1, place, 2), draws.integer(width - w + 1, place, 3), h, w
    return None


def is_flipped(o, draws):
    if o["flip"] is True:
        return draws.unit(0, 2) < 0.5
    if o["flip"] == "alternating":
        return (int(draws.constant[23, 0] >> 31) + draws.epoch) % 2 == 1
    return False


def affine_of(o, draws, height, width):
    """RandomAffine.get_params, or None."""
    if not (o["rotate"] or o["translate"] or o["shear"] or o["scale"] != [1, 1]):
        return None
    symmetric = lambda most, place, word: draws.uniform(-most, most, place, word)  # noqa: E731
    share = float(np.float32(o["translate"]))
    return {
        "angle": symmetric(o["rotate"], 1, 0),
        "translate": [
            round((2 * draws.unit(1, 1) - 1) * share * width),
            round((2 * draws.unit(1, 2) - 1) * share * height),
        ],
        "scale": draws.uniform(*o["scale"], 1, 3),
        "shear": [symmetric(o["shear"], 0, 3), 0.0],
    }


def geometry(image, o, draws):
    """image: (C, H, W), fp64."""
    channels, height, width = image.shape
    affine = affine_of(o, draws, height, width)
    resizes = o["resizedCrop"] != [1, 1]
    if affine is None:
        if resizes:
            image = F.resized_crop(image, *crop_box(o, draws, height, width), size=[height, width], antialias=False)
        elif o["crop"] > 0:
            mode = "constant" if o["padding"] == "zero" else "reflect"
            p = o["crop"]
            padded = F.pad(image, [p, p, p, p], padding_mode=mode)
            image = F.crop(padded, draws.integer(2 * p + 1, 0, 0), draws.integer(2 * p + 1, 0, 1), height, width)
        return F.horizontal_flip(image) if is_flipped(o, draws) else image
    if not resizes and o["crop"] == 0 and o["padding"] == "zero" and not is_flipped(o, draws):
        return F.affine(image, **affine, interpolation=F.InterpolationMode.BILINEAR)
    # One map: from the result's pixels back through the affine map, the flip and the crop.
    matrix = np.array(F._geometry._get_inverse_affine_matrix([0.0, 0.0], **affine)).reshape(2, 3)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    points = np.stack([x - middle[0], y - middle[1], np.ones_like(x)], axis=-1) @ matrix.T + middle
    u, v = points[..., 0], points[..., 1]
    if is_flipped(o, draws):
        u = width - 1 - u
    if resizes:
        top, left, h, w = crop_box(o, draws, height, width)
        u = left + (u + 0.5) * w / width - 0.5
        v = top + (v + 0.5) * h / height - 0.5
    elif o["crop"] > 0:
        u = u + draws.integer(2 * o["crop"] + 1, 0, 1) - o["crop"]
        v = v + draws.integer(2 * o["crop"] + 1, 0, 0) - o["crop"]
    # Room around the image, so that reflections are pixels as well: the whole of it once more on each side.
    mode = "constant" if o["padding"] == "zero" else "reflect"
    right, low = 0, 0
    while max(-u.min(), u.max() - width + 1) + 1 > right or max(-v.min(), v.max() - height + 1) + 1 > low:
        across, down = image.shape[2] - 1, image.shape[1] - 1
        image, right, low = pad(image[None], [across, across, down, down], mode=mode)[0], right + across, low + down
    full_height, full_width = image.shape[1:]
    grid = np.stack([(u + right + 0.5) * 2 / full_width - 1, (v + low + 0.5) * 2 / full_height - 1], axis=-1)
    return grid_sample(image[None], torch.from_numpy(grid)[None], mode="bilinear", align_corners=False)[0]


def changed(image, options, epoch, sample):
    """image: (H, W, C) bytes. Values in 0…255, (H, W, C)."""
    o = {**DEFAULTS, **options}
    draws = Draws(epoch, sample)
    result = geometry(torch.from_numpy(image).permute(2, 0, 1).double(), o, draws) / 255
    for name, word, change in [
        ("brightness", 0, F.adjust_brightness),
        ("contrast", 1, F.adjust_contrast),
        ("saturation", 2, F.adjust_saturation),
    ]:
        if o[name] > 0:
            factor = draws.uniform(max(0, 1 - float(np.float32(o[name]))), 1 + float(np.float32(o[name])), 2, word)
            result = change(result, factor)
    if draws.unit(2, 3) < o["grey"] and image.shape[2] == 3:
        result = F.rgb_to_grayscale(result, num_output_channels=3)
    if draws.unit(24, 0) < o["erase"]:
        box = erased_box(o, draws, *image.shape[:2])
        if box is not None:
            result = F.erase(result, *box, v=torch.zeros(1, 1, 1, dtype=result.dtype))
    return result.permute(1, 2, 0).numpy() * 255


def make():
    philox.check_known_answers()
    cases = {}
    for name, options in CASES.items():
        pixels = {}
        for size in SIZES:
            for epoch in EPOCHS:
                batch = [changed(image, options, epoch, sample) for sample, image in enumerate(images(*size))]
                pixels["x".join(map(str, [*size, epoch]))] = [round(float(p), 3) for p in np.stack(batch).reshape(-1)]
        cases[name] = {"augment": options, "pixels": pixels}
    return {
        "madeWith": {"torch": torch.__version__, "torchvision": torchvision.__version__},
        "seed": SEED,
        "count": COUNT,
        "sizes": SIZES,
        "epochs": EPOCHS,
        "cases": cases,
    }


if __name__ == "__main__":
    stored.main(__doc__, "augmentation.json", make)
