"""What `train()` is asked for in train_reference.json: options as users write them, but for data, network and machine.
Together they have every option that changes arithmetic. `images`: how many to train on, to test and to validate with."""

CASES = {
    "sgd": {
        "images": {"train": 90, "test": 100},
        "options": {
            "head": "softmax",
            "optimizer": {"type": "sgd", "momentum": 0.8, "nesterov": True, "weightDecay": 0.05},
            "learningRate": {"type": "constant", "value": 0.02},
            "headLr": 3.0,
            "normalize": "dataset",
            "validation": 0.2,
        },
    },
    "sgd without momentum, learned scale": {
        "images": {"train": 84, "test": 100},
        "options": {
            "head": "l2-softmax",
            "alpha": {"learn": True, "init": 8.0},
            "optimizer": {"type": "sgd", "momentum": 0.0, "weightDecay": 0.1},
            "learningRate": {"type": "step", "base": 0.03, "gamma": 0.3, "milestones": [0.5, 1]},
            "headLr": 4.0,
            "normalize": {"mean": [0.3, 0.6], "std": [0.25, 0.5]},
        },
    },
    "sgd by name": {
        "images": {"train": 80},
        "options": {
            "head": "softmax",
            "bias": False,
            "optimizer": "sgd",
            "learningRate": {
                "type": "warmup",
                "length": 0.3,
                "schedule": {"type": "constant", "value": 0.02},
            },
            "featureDropout": 0.3,
        },
    },
    "adam": {
        "images": {"train": 90, "test": 100},
        "options": {
            "head": "arcface",
            "m": 0.4,
            "s": 12.0,
            "optimizer": {
                "type": "adam",
                "beta1": 0.8,
                "beta2": 0.95,
                "epsilon": 1e-4,
                "weightDecay": 0.02,
            },
            "learningRate": {
                "type": "warmup",
                "length": 4,
                "schedule": {"type": "cosine", "base": 4e-3, "min": 1e-3},
            },
            "headLr": 0.5,
            "normalize": "unit",
            "validation": 0.35,
        },
    },
    "adamw, learned scale": {
        "images": {"train": 90, "test": 100},
        "options": {
            "head": "normface",
            "s": {"learn": True, "init": 10.0},
            "optimizer": {
                "type": "adamw",
                "beta1": 0.85,
                "beta2": 0.9,
                "epsilon": 1e-3,
                "weightDecay": 0.3,
            },
            "learningRate": 3e-3,
            "headLr": 2.0,
        },
    },
    "adamw by name, weighted classes": {
        "images": {"train": 80, "validation": 40},
        "options": {
            "head": "am-softmax",
            "m": 0.2,
            "s": 12.0,
            "classWeights": [1.0, 2.0, 0.5, 1.0, 1.0, 3.0, 1.0, 0.25, 1.0, 1.0],
            "labelSmoothing": 0.1,
            "optimizer": "adamw",
            "learningRate": "function",
        },
    },
    "lambda by power": {
        "images": {"train": 80},
        "options": {
            "head": "l-softmax",
            "m": 3,
            "lambda": {"base": 20.0, "gamma": 0.3, "power": 2.0, "min": 0.5},
            "optimizer": {"type": "sgd", "momentum": 0.9, "weightDecay": 0.0},
            "learningRate": {"type": "cosine", "base": 0.02, "min": 0.0},
        },
    },
    "lambda by sixth power, margin warm-up": {
        "images": {"train": 80},
        "options": {
            "head": "a-softmax",
            "m": 3,
            "lambda": {"base": 50.0, "until": 0.7, "min": 2.0},
            "marginWarmup": 0.5,
            "optimizer": "adam",
            "learningRate": {"type": "constant", "value": 2e-3},
        },
    },
    "margin warm-up in steps": {
        "images": {"train": 80},
        "options": {
            "head": "combined",
            "m1": 1.1,
            "m2": 0.3,
            "m3": 0.1,
            "s": 10.0,
            "marginWarmup": 7,
            "optimizer": {"type": "sgd", "momentum": 0.5, "weightDecay": 0.01},
            "learningRate": {"type": "constant", "value": 0.01},
        },
    },
    "statistics over the batch": {
        "images": {"train": 81, "test": 100},
        "options": {
            "head": "normface",
            "s": 10.0,
            "logitNormalizer": {"type": "scaled-bn", "m": 2.0, "epsilon": 1.0},
            "auxiliary": {"type": "center", "weight": 0.1, "rate": 0.3},
            "optimizer": {"type": "sgd", "momentum": 0.9, "weightDecay": 0.0},
            "learningRate": {"type": "constant", "value": 0.01},
        },
    },
    "sgd, clipped": {
        "images": {"train": 80},
        "options": {
            "head": "normface",
            "s": {"learn": True, "init": 10.0},
            "optimizer": {"type": "sgd", "momentum": 0.8, "weightDecay": 0.05},
            "learningRate": {"type": "constant", "value": 0.02},
            "headLr": 2.0,
            "clipGradients": 12.0,
        },
    },
    "adam, clipped": {
        "images": {"train": 80},
        "options": {
            "head": "arcface",
            "m": 0.4,
            "s": 12.0,
            "optimizer": {"type": "adam", "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-4, "weightDecay": 0.02},
            "learningRate": {"type": "constant", "value": 2e-3},
            "clipGradients": 18.0,
        },
    },
    "sgd, one cycle": {
        "images": {"train": 80},
        "options": {
            "head": "softmax",
            "optimizer": {"type": "sgd", "momentum": 0.9, "weightDecay": 0.05},
            "learningRate": {"type": "oneCycle", "peak": 0.02, "momentum": {"base": 0.6, "max": 0.95}},
            "headLr": 2.0,
        },
    },
    "sgd with Nesterov, one cycle": {
        "images": {"train": 80},
        "options": {
            "head": "softmax",
            "optimizer": {"type": "sgd", "momentum": 0.5, "nesterov": True, "weightDecay": 0.05},
            "learningRate": {
                "type": "oneCycle",
                "peak": 0.02,
                "rise": 0.4,
                "divFactor": 10.0,
                "finalDivFactor": 100.0,
                "anneal": "linear",
                "momentum": {"base": 0.7, "max": 0.9},
            },
        },
    },
    "adam, one cycle": {
        "images": {"train": 80},
        "options": {
            "head": "arcface",
            "m": 0.4,
            "s": 12.0,
            "optimizer": {"type": "adam", "beta2": 0.95, "epsilon": 1e-4, "weightDecay": 0.02},
            "learningRate": {"type": "oneCycle", "peak": 4e-3, "momentum": {"base": 0.5, "max": 0.95}},
        },
    },
    "one cycle without its momentum": {
        "images": {"train": 80},
        "options": {
            "head": "softmax",
            "optimizer": {"type": "adamw", "beta1": 0.8},
            "learningRate": {"type": "oneCycle", "peak": 4e-3},
        },
    },
    "one long epoch": {
        "images": {"train": 1100, "test": 100},
        "options": {
            "head": "arcface",
            "m": 0.2,
            "s": 8.0,
            "optimizer": "adam",
            "learningRate": 1e-3,
            "epochs": 1,
            "batchSize": 64,
            "validation": 0.1,
        },
    },
}
# With these no ReLU and no pool comes so close to its kink that fp32 could fall to the other side.
SEEDS = {
    **{name: 1 for name in CASES},
    **{name: 2 for name in ("adam", "adamw, learned scale", "one long epoch")},
    "sgd by name": 4_000_000_007,  # beyond 31 bits
}

EPOCHS, BATCH_SIZE = 2, 8  # where a case does not say

# As docs/options.md states them.
OPTIMIZER_DEFAULTS = {
    "sgd": {"momentum": 0.9, "nesterov": False, "weightDecay": 5e-4},
    "adam": {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weightDecay": 0.0},
    "adamw": {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weightDecay": 0.01},
}
