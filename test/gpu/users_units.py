"""Layer 6, in users' units: the seed CNN with ArcFace trained on the bundled sample by the native core and by PyTorch
(pytorch_epochs.py), from the same weights, in the same order. Rounding makes the two drift apart, as any two runs of
PyTorch do that sum in another order; how far is compared with limits in tolerances.json."""

import importlib.util
import os
import sys
from dataclasses import dataclass

import numpy as np

from comparison import TOLERANCES
from head_keys import head_keys
from program import Program, read_arrays

OPTIONS = {"head": "arcface", "m": 0.5, "s": 16.0}
LIMITS = {"fp32": TOLERANCES["usersUnits"], "tf32": TOLERANCES["usersUnitsOfTf32"]}
EMBEDDING, CLASSES = 128, 10
WORKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pytorch_epochs.py")


@dataclass
class Recipe:
    epochs: int = 4
    batch: int = 64
    samples: int = 6000
    tested: int = 1000

    def keys(self, files, folder):
        paths = {}
        for prefix, (images, labels), count in (("", files.train, self.samples), ("test", files.test, self.tested)):
            for name, array in (("images", images), ("labels", labels)):
                key = prefix + name.capitalize() if prefix else name
                paths[key] = os.path.join(folder, f"{key}-{count}.raw")
                array[:count].tofile(paths[key])
        return {
            "seed": 1, "embedding": EMBEDDING, "batch": self.batch, "epochs": self.epochs, "optimizer": "adam",
            "learningRate": 1e-3, "mean": files.mean, "std": files.std, "out": os.path.join(folder, "epochs.f32"),
            **head_keys(OPTIONS, CLASSES), **paths,
        }  # fmt: skip


def trained(program, keys):
    answer = program.ask("epochs", **keys)
    return {**answer, "embeddings": read_arrays(keys["out"], answer)["embeddings"].reshape(-1, EMBEDDING)}


def distances(ours, theirs):
    a, b = ours["embeddings"].astype(np.float64), theirs["embeddings"].astype(np.float64)
    cosine = (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    return {
        "accuracyPoints": 100 * abs(ours["accuracy"] - theirs["accuracy"]),
        "firstEpochLoss": abs(ours["losses"][0] / theirs["losses"][0] - 1),
        "lastEpochLoss": abs(ours["losses"][-1] / theirs["losses"][-1] - 1),
        "meanEmbeddingCosine": 1 - float(cosine.mean()),
    }


def row(name, answer):
    return [name, f"{answer['accuracy']:.3f}", *(f"{loss:.4f}" for loss in answer["losses"])]


def run(part, program, files, folder, simulated):
    if importlib.util.find_spec("torch") is None:
        return part.skip("PyTorch is not there") if simulated else part.fail("PyTorch is not there")
    # The simulated device takes a tenth of a second for a step of 8.
    recipe = Recipe(epochs=2, batch=8, samples=160, tested=40) if simulated else Recipe()
    keys = recipe.keys(files, folder)
    rows, margins, theirs = [], [], None
    with part.case("PyTorch"), Program([sys.executable, WORKER, "cpu" if simulated else "cuda"]) as pytorch:
        theirs = trained(pytorch, keys)
        rows.append(row("PyTorch fp32", theirs))
    for precision in ("fp32",) if simulated else ("fp32", "tf32"):
        with part.case(f"margincore {precision}"):
            ours = trained(program, {**keys, "precision": precision})
            rows.append(row(f"margincore {precision}", ours))
            for name, value in distances(ours, theirs).items() if theirs else ():
                limit = LIMITS[precision][name]["limit"]
                margins.append([precision, name, f"{value:.4g}", f"{limit:g}", f"{limit - value:.4g}"])
                if value <= limit:
                    part.ok()
                else:
                    part.fail(f"{precision}: {name} {value:.4g} > {limit:g}")
    part.table("", ["", "test accuracy", *(f"loss, epoch {i + 1}" for i in range(recipe.epochs))], rows)
    part.table("Distance to PyTorch", ["precision", "measure", "distance", "limit", "margin left"], margins)
    part.values = {"accuracy and losses": rows}
