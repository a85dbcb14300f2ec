"""A head's options, as train() takes them, as keys of a job (native/spec/fields.h, whose defaults are those of plain
softmax). What lib/heads/table.ts does; agreement with the reference, which takes the options themselves, shows that it is the
same."""

COSINE = {"normalizeFeatures": 1, "normalizeWeights": 1}

# head: its scale's option and default, and the job's keys from its options
SCALES = {
    "l2-softmax": ("alpha", 16.0),
    "normface": ("s", 16.0),
    "am-softmax": ("s", 30.0),
    "arcface": ("s", 30.0),
    "combined": ("s", 30.0),
    "pedcc": ("s", 7.5),
}
PRESETS = {
    "softmax": lambda o: {},
    "l2-softmax": lambda o: {"normalizeFeatures": int(o.get("alpha", 16) != 0), **given(o, "l2Scope")},
    "normface": lambda o: COSINE,
    "l-softmax": lambda o: {"m1": o.get("m", 4)},
    "a-softmax": lambda o: {"normalizeWeights": 1, "m1": o.get("m", 4)},
    "am-softmax": lambda o: {**COSINE, "m3": o.get("m", 0.35)},
    "arcface": lambda o: {
        **COSINE,
        "m2": o.get("m", 0.5),
        **given(o, "wrap", "easyMargin"),
        "exactGradient": int(o.get("gradient", "exact") == "exact"),
    },
    "combined": lambda o: {**COSINE, "m1": o.get("m1", 1), "m2": o.get("m2", 0.5), "m3": o.get("m3", 0)},
    # Its distance has no factor 1/2.
    "pedcc": lambda o: {**COSINE, "fixedWeights": 1, "m3": o.get("m", 0.35), "centerWeight": 2 * o.get("weight", 1.0)},
    "center": lambda o: center_keys(o),
    "scaled-bn": lambda o: scaled_bn_keys(o),
}


def given(options, *names):
    return {name: options[name] for name in names if name in options}


def center_keys(options):
    return {"centerWeight": options.get("weight", 0.01), "centerRate": options.get("rate", 0.5)}


def scaled_bn_keys(options):
    epsilon = {"scaledBn.epsilon": options["epsilon"]} if "epsilon" in options else {}
    return {"scaledBn.scale": options.get("m", 1.0), **epsilon}


def part(option):
    """Options of a common part, which may be its type alone."""
    return {} if isinstance(option, str) else option


def has_bias(options):
    by_default = options["head"] in ("softmax", "l2-softmax", "center") and "logitNormalizer" not in options
    return bool(options.get("bias", by_default))


def head_keys(options, classes):
    keys = {"numClasses": classes, "bias": int(has_bias(options)), **PRESETS[options["head"]](options)}
    if options["head"] in SCALES and keys["normalizeFeatures"]:
        name, default = SCALES[options["head"]]
        scale = options.get(name, default)
        learned = isinstance(scale, dict)
        keys.update(scale=scale.get("init", default) if learned else scale, learnScale=int(learned))
    if "logitNormalizer" in options:
        keys.update(scaled_bn_keys(part(options["logitNormalizer"])))
    if "auxiliary" in options:
        keys.update(center_keys(part(options["auxiliary"])))
    return {**keys, **given(options, "labelSmoothing", "classWeights")}
