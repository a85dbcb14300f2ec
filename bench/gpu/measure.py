"""How it is measured: every contender in turn, round by round, ratios within a round, medians over rounds."""

import re
import statistics
from dataclasses import dataclass, field

from program import JobError

OURS = "margincore"
ARCFACE = {"normalizeFeatures": 1, "normalizeWeights": 1, "scale": 30.0, "m2": 0.5}
BACKEND = {"backend": "cuda"}
NO_ROOM = re.compile(
    r"out of memory|of memory are needed", re.I
)  # PyTorch's words and CUDA's, and native/backend/memory.cpp's


@dataclass
class Contender:
    name: str
    program: object
    keys: dict


def contenders(native, pytorch, variants, ours, theirs=None):
    """Keys: of our side, and of all of PyTorch's."""
    return [Contender(OURS, native, ours)] + [
        Contender(theirs_of(name), pytorch, {**(theirs or {}), "variant": name}) for name in variants if pytorch
    ]


def theirs_of(variant):
    return f"PyTorch {variant}"


def median(values):
    return statistics.median(values) if values else None


def shown(values, form):
    """The median, and the least and the most of the rounds."""
    if not values:
        return "–"
    spread = f" ({form(min(values))}–{form(max(values))})" if len(values) > 1 else ""
    return form(median(values)) + spread


@dataclass
class Rounds:
    """What each contender answered in each round. One that fails is left out from then on, and says why."""

    answers: dict = field(default_factory=dict)
    reasons: dict = field(default_factory=dict)

    def run(self, sides, count, kind, keys, warm_up=False):
        warm = {}
        self.answers = {side.name: [] for side in sides}
        for _ in range(count):
            for side in sides:
                if side.name in self.reasons:
                    continue
                try:
                    # Once; and once more where its process is a new one because another's job failed in the old.
                    if warm_up and warm.get(side.name) != side.program.generation:
                        side.program.ask(kind, **keys, **side.keys)
                        warm[side.name] = side.program.generation
                    self.answers[side.name].append(side.program.ask(kind, **keys, **side.keys))
                except JobError as error:
                    self.reasons[side.name] = str(error)
        return self

    def keep(self, part, name, failures=()):
        """What did not fit into the card's memory is skipped, and said."""
        said = [f"{name}, {side}: {reason}" for side, reason in self.reasons.items()]
        skips = [reason for reason in said if NO_ROOM.search(reason)]
        failures = [*failures, *(reason for reason in said if reason not in skips)]
        part.keep(name, vars(self), len(self.answers) - len(self.reasons), failures, skips)

    def values(self, name, value):
        """Of each round; empty for one that failed or was not there."""
        return [] if name in self.reasons else [value(answer) for answer in self.answers.get(name, [])]

    def ratios(self, ours, theirs, value):
        return [a / b for a, b in zip(self.values(ours, value), self.values(theirs, value))]

    def best(self, names, value):
        """The one with the highest median; None where none was measured."""
        measured = [name for name in names if self.values(name, value)]
        return max(measured, key=lambda name: median(self.values(name, value)), default=None)


def kept(part):
    """Rounds by case, of this call and of earlier ones."""
    return {name: Rounds(**case["value"]) for name, case in part.cases.items()}


def speed(answer):
    return 1 / answer["seconds"]
