"""PyTorch's side of users_units.py: answers `epochs` as margincore_gpu_jobs does, by autograd, in fp32 without TF32."""

import math
import sys

import numpy as np
import torch

from serve import serve, write_arrays
from users_units import OPTIONS

from network import SEED_CNN as network  # of test/parity/
import philox
from heads import Head


class Training:
    def __init__(self, seed, rate, device):
        self.head = Head(OPTIONS)
        random = network.random_weights(seed)
        names = [*network.backbone, *self.head.trained()]
        weights = {name: random.get(name, np.zeros(network.shapes[name], np.float32)) for name in names}
        tensors = network.torch_tensors(weights, torch.float32, ())
        self.tensors = {name: tensor.to(device).requires_grad_() for name, tensor in tensors.items()}
        self.adam = torch.optim.Adam(self.tensors.values(), lr=rate)

    def step(self, images, labels):
        self.adam.zero_grad(set_to_none=True)
        loss = self.head.loss(network.embed(self.tensors, images), labels, self.tensors).loss
        loss.backward()
        self.adam.step()
        return loss.detach()

    @torch.no_grad()
    def predict(self, images):
        """Embeddings and the class of each."""
        embeddings = network.embed(self.tensors, images)
        return embeddings, self.head.scores(embeddings, self.tensors, None, None).argmax(1)


class Samples:
    def __init__(self, images, labels, job, device):
        pixels = np.fromfile(images, dtype=np.uint8).reshape(-1, 1, 28, 28)
        self.images = (torch.tensor(pixels, device=device).float() / 255 - float(job["mean"])) / float(job["std"])
        self.labels = torch.tensor(np.fromfile(labels, dtype=np.int32), device=device).long()


def epochs(job):
    device = sys.argv[1]
    seed, batch, count = int(job["seed"]), int(job["batch"]), int(job["epochs"])
    data = Samples(job["images"], job["labels"], job, device)
    test = Samples(job["testImages"], job["testLabels"], job, device)
    rate, per_epoch = float(job["learningRate"]), len(data.labels) // batch
    training = Training(seed, rate, device)
    losses, step = [], 0
    for epoch in range(count):
        order = torch.tensor(philox.permutation(seed, epoch, len(data.labels)), device=device)
        total = torch.zeros((), device=device)
        for rows in order.split(batch)[:per_epoch]:
            training.adam.param_groups[0]["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / (count * per_epoch)))
            total += training.step(data.images[rows], data.labels[rows])
            step += 1
        losses.append(total.item() / per_epoch)
    embeddings, predicted = training.predict(test.images)
    accuracy = (predicted == test.labels).double().mean().item()
    return {
        "losses": losses,
        "accuracy": accuracy,
        **write_arrays(job["out"], {"embeddings": embeddings.cpu().numpy()}),
    }


def devices(job):
    """A step and a prediction on the device "meta", where PyTorch's fake tensors refuse those of another device as a GPU
    would; and that they do."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        training = Training(1, 1e-3, "meta")
        images, labels = torch.zeros(8, 1, 28, 28, device="meta"), torch.zeros(8, dtype=torch.int64, device="meta")
        results = [training.step(images, labels), *training.predict(images)]
        if any(result.device.type != "meta" for result in results):
            raise ValueError(f"results are on {[str(result.device) for result in results]}")
        try:
            training.step(images, labels.new_zeros(8, device="cpu"))
        except (RuntimeError, TypeError):
            return {"checked": 2}
    raise ValueError("labels on another device are not noticed")


def main():
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    serve({"epochs": epochs, "devices": devices})


main()
