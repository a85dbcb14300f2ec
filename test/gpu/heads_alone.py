"""Layer 5: every head alone against test/parity/head_gradients.json; what test/parity/heads.test.ts does from
JavaScript."""

import os

import numpy as np

import comparison
from comparison import Shares, TOLERANCES, distance
from head_keys import head_keys
from program import read_arrays

import head_inputs  # of test/parity/
import stored

LIMITS = TOLERANCES["heads"]


def write_inputs(inputs, folder):
    paths = {}
    for name, array in inputs.items():
        paths[name] = os.path.join(folder, f"{name}.raw")
        array.tofile(paths[name])
    return paths


def separated(results, labels, embedding):
    """And those of the samples' own classes apart from the others, 0 in their places."""
    classes = len(results["logits"]) // len(labels)
    of_targets = [i * classes + label for i, label in enumerate(labels)]
    rows = [label * embedding + i for label in labels for i in range(embedding)]
    apart = {}
    for name, places in (("logits", of_targets), ("dWeights", rows), ("dCenters", rows)):
        if name not in results:
            continue
        others = results[name].copy()
        others[places] = 0
        apart.update({f"{name}OfTargets": results[name][places], f"{name}OfOthers": others})
    return {**results, **apart}


def job(case, size, inputs, paths, out):
    options = {key: value for key, value in case["options"].items() if key != "centers"}
    # headLoss() has a bias where one is given; true stands for the inputs' array.
    options["bias"] = case["options"].get("bias") is True
    if options.get("classWeights") is True:
        options["classWeights"] = [float(value) for value in inputs["classWeights"]]
    keys = {
        "embedding": size["embedding"],
        "lambda": float(case["lambda"]),
        "deterministic": 1,
        "out": out,
        **{key: paths[key] for key in ("features", "weights", "labels")},
        **head_keys(options, size["classes"]),
    }
    if options["bias"]:
        keys["biasValues"] = paths["bias"]
    if case["options"].get("centers") is True:
        keys["centers"] = paths["centers"]
    return keys


def limit_of(result, classes):
    many = LIMITS["dFeaturesOfMany"]
    if result == "dFeatures" and classes > many["aboveClasses"]:
        return "dFeaturesOfMany", many["limit"]
    return "every", LIMITS["every"]["limit"]


def compare(name, case, sizes, inputs, program, folder, shares):
    for size_name, expected in case["results"].items():
        size, arrays = sizes[size_name], inputs[size_name]
        out = os.path.join(folder, "head.f32")
        keys = job(case, size, arrays, write_inputs(arrays, folder), out)
        received = separated(read_arrays(out, program.ask("head", **keys)), arrays["labels"], size["embedding"])
        for result, digest in {**expected, "cosTheta": size["cosTheta"]}.items():
            values = received.get(result, np.empty(0))
            limit_name, limit = limit_of(result, size["classes"])
            error = distance(values, stored.spread(len(values)), digest)
            shares.add(f"{case['options']['head']}, {limit_name}", limit, f"{name}, {size_name}, {result}", error)


def run(part, program, folder):
    reference = comparison.read_json("head_gradients.json")
    inputs = {name: head_inputs.make(*head_inputs.SIZES[name]) for name in reference["sizes"]}
    for name in inputs:
        if head_inputs.checksum(inputs[name]) != reference["sizes"][name]["sha256"]:
            part.fail(f"the inputs of size {name} are not those of the reference")
    shares = Shares()
    for name, case in reference["cases"].items():
        before = len(shares.exceeding)
        with part.case(name):
            compare(name, case, reference["sizes"], inputs, program, folder, shares)
            if len(shares.exceeding) == before:
                part.ok()
            else:
                part.fail(f"{name}: " + "; ".join(shares.exceeding[before:]))
    part.notes.append(f"{len(reference['cases'])} cases, {shares.passed} results within their limits.")
    part.table("Share of each tolerance that was used", ["head, tolerance", "share", "most by"], shares.rows())
