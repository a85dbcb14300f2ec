"""Layer 5: ten training steps of every head against test/parity/reference.json, and of networks that are graphs against
graph_reference.json; what test/parity/reference.test.ts and graphs.test.ts do from JavaScript."""

import os

import numpy as np

import comparison
from comparison import Shares, TOLERANCES, distance, relative_error
from head_keys import head_keys
from program import read_arrays

import stored  # of test/parity/

STEPS, CLASSES = 10, 10
LIMITS, LIMITS_OF_GRAPHS = (
    {name: entry["limit"] for name, entry in TOLERANCES[kind].items()} for kind in ("training", "graphs")
)
NETWORKS = os.path.join(comparison.ROOT, "test", "gpu", "networks")
REPEATED = ("everything", "sgd")


def centroids(size):
    """PEDCC's in the reference: a regular simplex, sqrt(C/(C-1)) * (e_i - 1/C) in the first C coordinates."""
    rows = np.zeros((CLASSES, size))
    rows[:, :CLASSES] = np.sqrt(CLASSES / (CLASSES - 1)) * (np.eye(CLASSES) - 1 / CLASSES)
    return rows.astype(np.float32)


def of_matrix(values, digest):
    return distance(values, stored.spread(len(values)), digest)


class Case:
    """One head with one optimizer, as the native core trained it, beside the reference. `graph`: the network's name; the
    seed CNN without one."""

    def __init__(self, reference, name, optimizer, graph=None):
        self.reference, self.head_name, self.optimizer, self.graph = reference, name, optimizer, graph
        self.name = f"{graph}, {name}" if graph else name
        self.limits = LIMITS_OF_GRAPHS if graph else LIMITS
        self.head = reference["heads"][name]
        self.training = self.head["training"][optimizer]

    def network_keys(self):
        if self.graph:
            return {"network": os.path.join(NETWORKS, f"graph-{self.graph}.tsv")}
        return {"embedding": self.reference["embeddingSize"]}

    def moved_limit(self, tensor):
        if self.optimizer == "adam":
            return "movedAdam"
        if tensor.endswith(".bias"):
            return "movedBiases"
        if not tensor.endswith(".weight"):
            return "movedRest"
        return "movedWeights" if len(self.reference["tensors"][tensor]["shape"]) > 1 else "movedScales"

    def job(self, files, folder):
        head, settings = self.head, self.reference["optimizers"][self.optimizer]
        keys = {
            "seed": head["seed"],
            **self.network_keys(),
            "batch": self.reference["batchSize"],
            "steps": STEPS,
            "optimizer": self.optimizer,
            "lambda": head["options"].get("lambda", 0.0),
            "mean": self.reference["data"]["mean"],
            "std": self.reference["data"]["std"],
            "deterministic": 1,
            "out": os.path.join(folder, "trajectory.f32"),
            **settings,
            **head_keys(head["options"], CLASSES),
            **files.training_keys(),
        }
        if "head.weight" in head["state"]:
            keys["centroids"] = os.path.join(folder, "centroids.f32")
            centroids(self.reference["embeddingSize"]).tofile(keys["centroids"])
        return keys

    def compare(self, arrays, losses, shares):
        reference, head, training = self.reference, self.head, self.training
        seed = reference["seeds"][str(head["seed"])]

        def add(limit, what, value):
            shares.add(limit, self.limits[limit], f"{self.name}, {self.optimizer}, {what}", value)

        def tensors(kind, expected, limit_of):
            for tensor, digest in expected.items():
                values = arrays.get(f"{kind}/{tensor}", np.empty(0, np.float32))
                add(
                    limit_of(tensor),
                    f"{kind} {tensor}",
                    distance(values, reference["tensors"][tensor]["indices"], digest),
                )

        random = {tensor: digest for tensor, digest in seed["initial"].items() if tensor not in head["state"]}
        tensors("initial", random, lambda _: "initial")
        for tensor, value in head["constants"].items():
            values = arrays[f"initial/{tensor}"]
            add("initial", f"constant {tensor}", relative_error(values, np.full_like(values, value)))
        add("embeddings", "embeddings", of_matrix(arrays["before/embeddings"], seed["embeddings"]))
        add("scores", "scores", of_matrix(arrays["before/scores"], head["scores"]))
        tensors("gradients", head["gradients"], lambda _: "gradients")
        largest = max(digest["norm"] for digest in head["gradients"].values())
        for tensor in head["vanishing"]:
            add("gradients", f"vanishing {tensor}", float(np.linalg.norm(arrays[f"gradients/{tensor}"])) / largest)
        for step, expected in enumerate(training["losses"]):
            received = losses[step] if step < len(losses) else float("nan")
            limit = "firstLoss" if step == 0 else "losses"
            add(limit, f"loss of step {step}", abs(received - expected) / expected)
        for tensor in training["moved"]:
            change = arrays[f"final/{tensor}"].astype(np.float64) - arrays[f"initial/{tensor}"]
            arrays[f"moved/{tensor}"] = change
        tensors("moved", training["moved"], self.moved_limit)
        for what in ("embeddings", "scores"):
            add("scores", f"{what} after training", of_matrix(arrays[f"after/{what}"], training[what]))


def check_case(part, program, case, files, folder, shares):
    before = len(shares.exceeding)
    keys = case.job(files, folder)
    answer = program.ask("trajectory", **keys)
    arrays = read_arrays(keys["out"], answer)
    final = {key: values for key, values in arrays.items() if key.startswith("final/")}
    case.compare(arrays, answer["losses"], shares)
    if len(shares.exceeding) == before:
        part.ok()
    else:
        part.fail("; ".join(shares.exceeding[before:]))
    if (case.name, case.optimizer) == REPEATED or case.graph:
        check_repeats(part, program, case, keys, answer["losses"], final)


def cases_of(reference, graph=None):
    return [
        Case(reference, name, each, graph) for name, head in reference["heads"].items() for each in head["training"]
    ]


def run(part, program, files, folder):
    graphs = comparison.read_json("graph_reference.json")
    check_cases(part, program, cases_of(comparison.read_json("reference.json")), files, folder, "The seed CNN")
    of_graphs = [case for name, network in graphs["networks"].items() for case in cases_of({**graphs, **network}, name)]
    check_cases(part, program, of_graphs, files, folder, "Graphs")


def check_cases(part, program, cases, files, folder, what):
    shares = Shares()
    for case in cases:
        with part.case(f"{case.name}, {case.optimizer}"):
            check_case(part, program, case, files, folder, shares)
    part.table(f"{what}: share of each tolerance that was used", ["tolerance", "share", "most by"], shares.rows())
    check_refuses(part, shares)


def check_repeats(part, program, case, keys, losses, final):
    """With `deterministic`, the same bits again."""
    answer = program.ask("trajectory", **keys)
    arrays = read_arrays(keys["out"], answer)
    same = answer["losses"] == losses and all(np.array_equal(arrays[key], values) for key, values in final.items())
    if same:
        part.ok()
        part.notes.append(
            f"{case.name}, {case.optimizer}: a second run gives the same bits in every loss and every final weight."
        )
    else:
        part.fail(f"{case.name}, {case.optimizer}: a second deterministic run gives other bits")


def check_refuses(part, shares):
    """The comparison can fail: on a NaN, on numbers that are a little off, and on none at all."""
    values = np.sin(np.arange(4096)).astype(np.float32)
    digest, places = stored.digest(values), stored.spread(values.size)
    limit = LIMITS["gradients"]
    broken = values.copy()
    broken[places[3]] = np.nan
    checks = Shares()
    for what, wrong in (
        ("nan", broken),
        ("scaled", values * (1 + 3 * limit)),
        ("short", values[1:]),
        ("none", values[:0]),
    ):
        checks.add("gradients", limit, what, distance(wrong, places, digest))
    right = Shares()
    right.add("gradients", limit, "itself", distance(values, places, digest))
    if len(checks.exceeding) == 4 and not right.exceeding and shares.passed > 0:
        part.ok()
    else:
        part.fail(f"the comparison accepts what it must not: refused were {checks.exceeding}, {right.exceeding}")
