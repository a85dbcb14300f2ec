"""What `train()` makes of a user's options: which samples, in which order, normalised how, at what rate. Written from the
documentation (docs/options.md, README.md and the comments of the options), not from the library's code."""

import math

import numpy as np

import philox

FEATURE_DROPOUT = 1 << 16  # the stream of the head's own dropout, beyond those of layers


# Samples ------------------------------------------------------------------------------------------------------------


def hold_out(labels, fraction):
    """Numbers of the samples to train on and of those held out: of each class the same share, evenly over its samples in
    their order."""
    seen, kept, held_out = {}, [], []
    for sample, label in enumerate(labels):
        before = seen.get(label, 0)
        seen[label] = before + 1
        is_held_out = math.floor((before + 1) * fraction) > math.floor(before * fraction)
        (held_out if is_held_out else kept).append(sample)
    return kept, held_out


def batches(seed, epoch, samples, batch_size, batch_statistics):
    """The epoch's steps, each a list of numbers below `samples`. What is left over is a step of its own, unless it is
    one sample and there are statistics over the batch: then it belongs to the step before."""
    order = philox.permutation(seed, epoch, samples)
    steps = [order[first : first + batch_size] for first in range(0, samples, batch_size)]
    if batch_statistics and len(steps) > 1 and len(steps[-1]) == 1:
        steps[-2:] = [steps[-2] + steps[-1]]
    return steps


def measured(samples):
    """Numbers of the samples of whose angles a run reports: at most 512, evenly spread."""
    count = min(512, samples)
    return [i * samples // count for i in range(count)]


def channel_statistics(images, normalize):
    """Mean and standard deviation of each channel, float32. images: (N, H, W, C) of those that are trained on."""
    if normalize == "dataset":
        pixels = images.reshape(-1, images.shape[-1]).astype(np.float64) / 255.0
        return np.float32(pixels.mean(0)), np.float32(pixels.std(0))
    if normalize == "unit":
        return np.zeros(images.shape[-1], np.float32), np.ones(images.shape[-1], np.float32)
    return np.float32(normalize["mean"]), np.float32(normalize["std"])


# Values over a run: `step` of `steps` lie behind ---------------------------------------------------------------------


def ramp(length, done, steps):
    """The share of a stretch that is over; below 1 it is a share of the run."""
    count = math.floor(length * steps + 0.5) if length < 1 else length
    return 1.0 if done >= count else done / count


def rate_of_function(step, steps, epoch, epochs):
    """What the test gives as a function."""
    return 0.01 * (epochs - epoch) / epochs + 0.002 * step / steps


def learning_rate(schedule, step, steps, epochs):
    """schedule: as users write it."""
    per_epoch = steps // epochs
    if schedule == "function":
        return rate_of_function(step, steps, step // per_epoch, epochs)
    if isinstance(schedule, float):
        schedule = {
            "type": "warmup",
            "length": 0.01,
            "schedule": {"type": "cosine", "base": schedule, "min": 0.0},
        }
    kind = schedule["type"]
    if kind == "constant":
        return schedule["value"]
    if kind == "step":
        passed = sum(step / per_epoch >= milestone for milestone in schedule["milestones"])
        return schedule["base"] * schedule["gamma"] ** passed
    if kind == "cosine":
        least = schedule["min"]
        return least + (schedule["base"] - least) * (1 + math.cos(math.pi * step / steps)) / 2
    return ramp(schedule["length"], step + 1, steps) * learning_rate(schedule["schedule"], step, steps, epochs)


def annealed_lambda(rule, step, steps):
    if isinstance(rule, float):
        return rule
    least = rule.get("min", 0.0)
    if "until" in rule:
        return max(least, rule["base"] * max(0.0, 1 - step / steps / rule["until"]) ** 6)
    return max(least, rule["base"] * (1 + rule["gamma"] * step) ** -rule["power"])


def partial_margin(name, own, share):
    """The options of a head with `share` of its margin in force: of ψ(m1·θ + m2) − m3 all that makes it differ from cosθ."""
    without = {"m1": 1.0, "m2": 0.0, "m3": 0.0, "m": 1.0 if name in ("l-softmax", "a-softmax") else 0.0}
    return {k: without[k] + share * (v - without[k]) if k in without else v for k, v in own.items()}


# Dropout ------------------------------------------------------------------------------------------------------------


def dropout_factors(seed, step, shape, rate):
    """What each feature is multiplied by at a step: one draw gives four, and its index holds the step."""
    count = int(np.prod(shape))
    indices = (np.uint64(step) << np.uint64(32)) + np.arange((count + 3) // 4, dtype=np.uint64)
    words = philox.outputs(seed, philox.DROPOUT, FEATURE_DROPOUT, indices).reshape(-1)[:count]
    uniform = (words >> np.uint32(8)).astype(np.float64) * 2.0**-24
    return np.where(uniform < np.float32(rate), 0.0, 1.0 / (1.0 - rate)).reshape(shape)
