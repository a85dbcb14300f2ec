"""Writes schedules.json: learning rates of whole runs, by PyTorch's schedulers.

python make_schedules.py [--out FILE]    makes the file
python make_schedules.py --check         compares a new computation with the committed file
"""

import torch
from torch.optim import lr_scheduler

import stored

ONE_CYCLES = [
    {"steps": 50, "max_lr": 0.2},
    {"steps": 40, "max_lr": 0.2, "pct_start": 0.25, "div_factor": 10, "final_div_factor": 100},
    {"steps": 30, "max_lr": 1.0, "pct_start": 0.5, "anneal_strategy": "linear"},
    {"steps": 7, "max_lr": 0.1, "pct_start": 0.4},
]
POLYNOMIALS = [{"steps": 10, "power": 1.0}, {"steps": 20, "power": 2.0}, {"steps": 9, "power": 0.5}]
MULTI_STEPS = [{"steps": 12, "milestones": [3, 7], "gamma": 0.5}, {"steps": 6, "milestones": [1], "gamma": 0.1}]
BASE = 0.3


def rates(make, steps):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=BASE, momentum=0.9)
    scheduler = make(optimizer)
    values = []
    for step in range(steps):
        values.append(stored.number(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        if step + 1 < steps:
            scheduler.step()
    return values


def runs(cases, make):
    return [{**case, "rates": rates(lambda optimizer: make(optimizer, **case), case["steps"])} for case in cases]


def one_cycle(optimizer, steps, **options):
    return lr_scheduler.OneCycleLR(optimizer, total_steps=steps, **options)


def polynomial(optimizer, steps, power):
    return lr_scheduler.PolynomialLR(optimizer, total_iters=steps, power=power)


def multi_step(optimizer, steps, **options):
    return lr_scheduler.MultiStepLR(optimizer, **options)


def make():
    return {
        "madeBy": "make_schedules.py",
        "madeWith": {"torch": torch.__version__},
        "base": BASE,
        "oneCycle": runs(ONE_CYCLES, one_cycle),
        "polynomial": runs(POLYNOMIALS, polynomial),
        "multiStep": runs(MULTI_STEPS, multi_step),
    }


if __name__ == "__main__":
    stored.main(__doc__, "schedules.json", make)
