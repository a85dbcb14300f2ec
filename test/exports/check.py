"""Files between margincore and others, looked at by the others: main.mjs runs it.

python check.py versions         what is installed, as JSON; fails with what is missing, and how it is installed
python check.py write FOLDER     state dicts of torchvision and timm, what they are shown, and what they answer
python check.py read FOLDER      looks at the exports that FOLDER/exports.json lists; prints what it found, as JSON
"""

import contextlib
import importlib
import json
import sys
import types
from pathlib import Path

import numpy as np

NEEDED = ("torch", "torchvision", "timm", "safetensors", "onnx", "onnxruntime")
WITHOUT_DEPENDENCIES = "pyyaml pillow tqdm packaging protobuf ml_dtypes flatbuffers huggingface_hub"

# Ours, and what torchvision calls them.
TORCHVISION = {
    "vgg11": "vgg11_bn",
    "vgg16": "vgg16_bn",
    "resnet18": "resnet18",
    "resnet34": "resnet34",
    "resnet50": "resnet50",
    "resnext50": "resnext50_32x4d",
    "densenet121": "densenet121",
}


def import_needed():
    """The modules by name. A CPU build of torch lacks operators for which torchvision's GPU build registers shapes."""
    sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("torchvision._meta_registrations"))
    missing, found = [], {}
    for name in NEEDED:
        try:
            with contextlib.redirect_stdout(sys.stderr):  # what a library has to say is no answer
                found[name] = importlib.import_module(name)
        except ImportError as error:
            missing.append(f"{name} ({error})")
    if missing:
        sys.exit(
            f"{sys.executable} lacks {', '.join(missing)}. In its environment:\n"
            f"    pip install {' '.join(NEEDED)}\n"
            f"or, where that finds no torch for this processor, pip install --no-deps of each, and of {WITHOUT_DEPENDENCIES}"
        )
    return found


def distance(found, expected):
    """Largest difference, relative to the largest value where that is above 1."""
    if found.shape != expected.shape:
        return float("inf")
    return float(np.max(np.abs(found - expected)) / max(1.0, np.max(np.abs(expected))))


def normalized(images, mean, std):
    """Bytes (N, H, W, C) as the network takes them, (N, C, H, W)."""
    values = (images.astype(np.float64) / 255 - mean) / std
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2), dtype=np.float32)


def features_of(torch, model):
    """The network without its last layer."""
    for name in ("fc", "classifier"):
        last = getattr(model, name, None)
        if isinstance(last, torch.nn.Sequential):
            last[-1] = torch.nn.Identity()
        elif last is not None:
            setattr(model, name, torch.nn.Identity())
    return model


# ---- what margincore wrote --------------------------------------------------------------------------------------------


def read_array(folder, described):
    return np.fromfile(folder / described["file"], described["type"]).reshape(described["shape"])


def check_onnx(modules, path, inputs, expected):
    onnx, onnxruntime = modules["onnx"], modules["onnxruntime"]
    onnx.checker.check_model(str(path), full_check=True)
    onnx.shape_inference.infer_shapes(onnx.load(path), check_type=True, strict_mode=True, data_prop=True)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.strict_shape_type_inference", "1")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = ["embedding", "probabilities"]
    answers = session.run(names, {"images": inputs})
    return max(distance(answer, expected[name]) for name, answer in zip(names, answers, strict=True))


def check_torchvision(modules, family, path, inputs, expected, classes):
    torch, torchvision = modules["torch"], modules["torchvision"]
    from safetensors.torch import load_file

    settings = {"init_weights": False} if family.startswith("vgg") else {}
    model = getattr(torchvision.models, TORCHVISION[family])(num_classes=classes, **settings).eval()
    state = load_file(path)
    # Counters of batches, which no output depends on.
    counters = {name: value for name, value in model.state_dict().items() if name.endswith("num_batches_tracked")}
    model.load_state_dict({**counters, **state}, strict=True)
    with torch.no_grad():
        shown = torch.from_numpy(inputs)
        probabilities = torch.softmax(model(shown), 1).numpy()
        embedding = features_of(torch, model)(shown).numpy()
    return max(
        distance(probabilities, expected["probabilities"]),
        distance(embedding, expected["embedding"]),
    )


def read(modules, folder):
    described = json.loads((folder / "exports.json").read_text())
    for model in described["models"]:
        images = read_array(folder, model["images"])
        expected = {name: read_array(folder, model[name]) for name in ("embedding", "probabilities")}
        floats = normalized(images, np.array(model["mean"]), np.array(model["std"]))
        row = {"family": model["family"], "input": model["images"]["shape"][1:], "onnx": {}}
        for variant, file in model["onnx"].items():
            inputs = floats if variant == "float" else images
            row["onnx"][variant] = attempt(lambda: check_onnx(modules, folder / file, inputs, expected))  # noqa: B023
        if "pytorch" in model:
            row["torchvision"] = TORCHVISION[model["family"]]
            row["pytorch"] = attempt(
                lambda: check_torchvision(  # noqa: B023
                    modules, model["family"], folder / model["pytorch"], floats, expected, model["classes"]
                )
            )
        print(json.dumps(row), flush=True)


def attempt(work):
    """A distance, or why there is none."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001: whatever others say of a file is a result
        return f"{type(error).__name__}: {error}"


# ---- what others write ------------------------------------------------------------------------------------------------

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIDE, BATCH, SHOWN = 128, 16, 4


def write(modules, folder):
    """Each network sees a batch in training, as a step of rate 0 has it, and then answers."""
    torch, torchvision, timm = (modules[name] for name in ("torch", "torchvision", "timm"))
    from safetensors.torch import save_file

    torch.manual_seed(1)
    random = np.random.default_rng(1)
    batch = random.integers(0, 256, (BATCH, SIDE, SIDE, 3), dtype=np.uint8)
    images = random.integers(0, 256, (SHOWN, SIDE, SIDE, 3), dtype=np.uint8)
    batch.tofile(folder / "batch.bin")
    images.tofile(folder / "images.bin")
    makers = {"torchvision": lambda name: getattr(torchvision.models, name)(), "timm": timm.create_model}
    networks = []
    for library, make in makers.items():
        for name in ("resnet18", "resnet50"):
            model = make(name)
            spread(torch, model)
            file = f"{library}-{name}.safetensors"
            save_file(model.state_dict(), folder / file)
            with torch.no_grad():
                features = features_of(torch, model)
                features.train()(torch.from_numpy(normalized(batch, MEAN, STD)))
                answer = features.eval()(torch.from_numpy(normalized(images, MEAN, STD))).numpy()
            answers = f"{library}-{name}.bin"
            answer.tofile(folder / answers)
            networks.append({"library": library, "name": name, "file": file, "answers": answers})
    batches = {"side": SIDE, "batch": BATCH, "shown": SHOWN, "mean": MEAN, "std": STD}
    print(json.dumps({**batches, "networks": networks}))


def spread(torch, model):
    """Gives batch norms numbers that are nobody's default: what is forgotten of them shows."""
    generator = torch.Generator().manual_seed(2)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for values, around in (
                (module.weight, 1), (module.bias, 0), (module.running_mean, 0), (module.running_var, 1),
            ):  # fmt: skip
                noise = 0.6 * torch.rand(values.shape, generator=generator) - 0.3
                values.data.copy_(around + noise)


def main(arguments):
    modules = import_needed()
    modules["torch"].set_num_threads(2)
    if arguments == ["versions"]:
        print(json.dumps({name: module.__version__ for name, module in modules.items()}))
    elif len(arguments) == 2 and arguments[0] in ("write", "read"):
        {"write": write, "read": read}[arguments[0]](modules, Path(arguments[1]))
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
