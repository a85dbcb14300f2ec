"""What is to be reached on a card of the H100's or H200's class, in one run, and what was."""

from dataclasses import dataclass
from typing import Optional

FEW = 6  # figures that are shown one by one


@dataclass
class Target:
    """`figures`: the names under which parts of the report keep their ratios; without them all of the report's count."""

    title: str
    report: str
    limit: float
    figures: Optional[tuple] = None
    at_most: bool = False

    def reaches(self, value):
        return value <= self.limit if self.at_most else value >= self.limit

    def row(self, measured):
        """measured: ratio by figure."""
        names = self.figures if self.figures is not None else tuple(measured)
        found = {name: measured[name] for name in names if name in measured}
        sign = "≤" if self.at_most else "≥"
        return [self.title, f"{sign} {self.limit:g}", self.shown(found), self.verdict(names, found)]

    def shown(self, found):
        missed = {name: value for name, value in found.items() if not self.reaches(value)}
        text = ", ".join(f"{name} {value:.2f}" for name, value in (found if len(found) <= FEW else missed).items())
        return text if len(found) <= FEW else f"{len(found) - len(missed)} of {len(found)}" + (text and f"; not {text}")

    def verdict(self, names, found):
        if not found:
            return "not measured"
        worst = max(found.values()) if self.at_most else min(found.values())
        said = "reached" if self.reaches(worst) else f"missed by {abs(worst - self.limit):.2f}"
        lacking = [name for name in names if name not in found]
        return said + (f"; not measured: {', '.join(lacking)}" if lacking else "")


def of(network, batch, *precisions):
    return tuple(f"{network}, batch {batch}, {precision}" for precision in precisions)


ALL = ("bf16", "tf32", "fp32")
RESNETS = ("resnet18-64", "resnet50-64")
TARGETS = (
    Target("seed CNN, batch 128, times as fast as compiled", "bench-seed", 4.0, of("seed-cnn", 128, *ALL)),
    Target("seed CNN, batch 1,024, times as fast as compiled", "bench-seed", 1.3, of("seed-cnn", 1024, *ALL)),
    *(
        Target(f"ResNet-18 and -50, {what}, times as fast as compiled", "bench-resnet", limit, sum(figures, ()))
        for what, limit, figures in (
            ("batch 128, bf16", 1.3, [of(name, 128, "bf16") for name in RESNETS]),
            ("batch 512, bf16", 1.1, [of(name, 512, "bf16") for name in RESNETS]),
            ("TF32", 1.05, [of(name, batch, "tf32") for name in RESNETS for batch in (128, 512)]),
        )
    ),
    Target("our kernels, as a share of copy bandwidth", "bench-bandwidth", 0.85),
    Target(
        "ArcFace head, times as fast as compiled",
        "bench-head",
        1.5,
        tuple(f"{classes:,} classes, {precision}" for classes in (100_000, 1_000_000) for precision in ALL),
    ),
    Target(
        "peak memory, of PyTorch's smallest",
        "bench-memory",
        0.8,
        tuple(f"memory, {name}, batch {batch}, bf16" for name in RESNETS for batch in (128, 512)),
        at_most=True,
    ),
    Target(
        "process start to first step, of eager's",
        "bench-memory",
        0.3,
        ("start, seed-cnn, batch 128, fp32", "start, resnet18-64, batch 128, bf16"),
        at_most=True,
    ),
)


def table(figures):
    """figures: of each report, ratio by name. What a report has beside its targets is in its own tables."""
    rows = [target.row(figures.get(target.report, {})) for target in TARGETS]
    return {"title": "Targets", "header": ["target", "to reach", "measured", "verdict"], "rows": rows}
