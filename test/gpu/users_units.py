"""Layer 6, in users' units: the seed CNN with ArcFace trained on the bundled sample by the native core and by PyTorch,
from the same weights, in the same order. Rounding makes the two drift apart, as any two runs of PyTorch do that sum in
another order; how far is compared with limits in tolerances.json."""

import math
import os

import numpy as np

from comparison import TOLERANCES
from head_keys import head_keys
from program import read_arrays

import philox  # of test/pytorch/

OPTIONS = {"head": "arcface", "m": 0.5, "s": 16.0}
LIMITS = {"fp32": TOLERANCES["usersUnits"], "tf32": TOLERANCES["usersUnitsOfTf32"]}
EMBEDDING, CLASSES, RATE = 128, 10, 1e-3


class Recipe:
    def __init__(self, seed=1, epochs=4, batch=64, samples=6000, tested=1000):
        self.seed, self.epochs, self.batch, self.samples, self.tested = seed, epochs, batch, samples, tested
        self.per_epoch = samples // batch

    def rate(self, step):
        return RATE * 0.5 * (1 + math.cos(math.pi * step / (self.epochs * self.per_epoch)))


def native(program, files, folder, recipe, precision):
    paths = {}
    for prefix, (images, labels), count in (("", files.train, recipe.samples), ("test", files.test, recipe.tested)):
        for name, array in (("images", images), ("labels", labels)):
            key = prefix + name.capitalize() if prefix else name
            paths[key] = os.path.join(folder, f"{key}-{count}.raw")
            array[:count].tofile(paths[key])
    out = os.path.join(folder, "epochs.f32")
    answer = program.ask(
        "epochs",
        precision=precision,
        seed=recipe.seed,
        embedding=EMBEDDING,
        batch=recipe.batch,
        epochs=recipe.epochs,
        optimizer="adam",
        learningRate=RATE,
        mean=files.mean,
        std=files.std,
        out=out,
        **head_keys(OPTIONS, CLASSES),
        **paths,
    )
    embeddings = read_arrays(out, answer)["embeddings"].reshape(-1, EMBEDDING)
    return {"losses": answer["losses"], "accuracy": answer["accuracy"], "embeddings": embeddings}


def pytorch(files, recipe, device):
    """The same by autograd, in fp32 without TF32."""
    import torch

    from heads import Head
    from network import SEED_CNN as network

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    head = Head(OPTIONS)
    names = [*network.backbone, *head.trained()]
    random = network.random_weights(recipe.seed)
    weights = {name: random.get(name, np.zeros(network.shapes[name], np.float32)) for name in names}
    tensors = network.torch_tensors(weights, torch.float32, ())
    tensors = {name: tensor.to(device).requires_grad_() for name, tensor in tensors.items()}
    adam = torch.optim.Adam(tensors.values(), lr=RATE)

    def prepared(images):
        return ((torch.tensor(images, device=device)[:, None].float() / 255 - files.mean) / files.std)

    images, labels = prepared(files.train[0][: recipe.samples]), torch.tensor(files.train[1], device=device).long()
    losses, step = [], 0
    for epoch in range(recipe.epochs):
        order = torch.tensor(philox.permutation(recipe.seed, epoch, recipe.samples), device=device)
        total = torch.zeros((), device=device)
        for rows in order.split(recipe.batch)[: recipe.per_epoch]:
            adam.param_groups[0]["lr"] = recipe.rate(step)
            adam.zero_grad(set_to_none=True)
            loss = head.loss(network.embed(tensors, images[rows]), labels[rows], tensors).loss
            loss.backward()
            adam.step()
            total += loss.detach()
            step += 1
        losses.append(total.item() / recipe.per_epoch)
    with torch.no_grad():
        embeddings = network.embed(tensors, prepared(files.test[0][: recipe.tested]))
        predicted = head.scores(embeddings, tensors, None, None).argmax(1).cpu().numpy()
    accuracy = float((predicted == files.test[1][: recipe.tested]).mean())
    return {"losses": losses, "accuracy": accuracy, "embeddings": embeddings.cpu().numpy()}


def distances(ours, theirs):
    a, b = ours["embeddings"].astype(np.float64), theirs["embeddings"].astype(np.float64)
    cosine = (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    return {
        "accuracyPoints": 100 * abs(ours["accuracy"] - theirs["accuracy"]),
        "firstEpochLoss": abs(ours["losses"][0] / theirs["losses"][0] - 1),
        "lastEpochLoss": abs(ours["losses"][-1] / theirs["losses"][-1] - 1),
        "meanEmbeddingCosine": 1 - float(cosine.mean()),
    }


def run(part, program, files, folder, simulated):
    try:
        import torch
    except ImportError as error:
        return part.skip(f"PyTorch: {error}") if simulated else part.fail(f"PyTorch: {error}")
    # The simulated device takes a tenth of a second for a step of 8.
    recipe = Recipe(epochs=2, batch=8, samples=160, tested=40) if simulated else Recipe()
    theirs = pytorch(files, recipe, "cpu" if simulated else "cuda")
    rows = [["PyTorch fp32", f"{theirs['accuracy']:.3f}", *(f"{loss:.4f}" for loss in theirs["losses"])]]
    margins = []
    for precision in ("fp32",) if simulated else ("fp32", "tf32"):
        ours = native(program, files, folder, recipe, precision)
        rows.append([f"margincore {precision}", f"{ours['accuracy']:.3f}", *(f"{loss:.4f}" for loss in ours["losses"])])
        for name, value in distances(ours, theirs).items():
            limit = LIMITS[precision][name]["limit"]
            margins.append([precision, name, f"{value:.4g}", f"{limit:g}", f"{limit - value:.4g}"])
            if value <= limit:
                part.ok()
            else:
                part.fail(f"{precision}: {name} {value:.4g} > {limit:g}")
    part.table("", ["", "test accuracy", *(f"loss, epoch {i + 1}" for i in range(recipe.epochs))], rows)
    part.table("Distance to PyTorch", ["precision", "measure", "distance", "limit", "margin left"], margins)
    part.values = {"accuracy and losses": rows}
