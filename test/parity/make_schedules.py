"""Writes schedules.json: learning rates of whole runs, and momentum beside them, by PyTorch's schedulers.

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
# With SGD's momentum, and with Adam's beta1: PyTorch's own bounds, and others.
MOMENTA = [
    {"steps": 50, "max_lr": 0.2},
    {"steps": 40, "max_lr": 0.2, "pct_start": 0.25, "base_momentum": 0.5, "max_momentum": 0.9},
    {"steps": 30, "max_lr": 1.0, "anneal_strategy": "linear", "base_momentum": 0.0, "max_momentum": 0.99},
    {"steps": 7, "max_lr": 0.1, "pct_start": 0.4, "base_momentum": 0.9, "max_momentum": 0.9},
]
POLYNOMIALS = [{"steps": 10, "power": 1.0}, {"steps": 20, "power": 2.0}, {"steps": 9, "power": 0.5}]
MULTI_STEPS = [{"steps": 12, "milestones": [3, 7], "gamma": 0.5}, {"steps": 6, "milestones": [1], "gamma": 0.1}]
BASE = 0.3


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=BASE, momentum=0.9)


def groups(make, steps, make_optimizer=sgd):
    """What the optimizer works with at each step."""
    optimizer = make_optimizer([torch.nn.Parameter(torch.zeros(1))])
    scheduler = make(optimizer)
    values = []
    for step in range(steps):
        values.append(dict(optimizer.param_groups[0]))
        optimizer.step()
        if step + 1 < steps:
            scheduler.step()
    return values


def rates(make, steps):
    return [stored.number(group["lr"]) for group in groups(make, steps)]


def runs(cases, make):
    return [{**case, "rates": rates(lambda optimizer: make(optimizer, **case), case["steps"])} for case in cases]


def momenta(case):
    def make(optimizer):
        return one_cycle(optimizer, **case)

    by_sgd = [stored.number(group["momentum"]) for group in groups(make, case["steps"])]
    by_adam = [stored.number(group["betas"][0]) for group in groups(make, case["steps"], torch.optim.Adam)]
    return {**case, "momentum": by_sgd, "beta1": by_adam}


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
        "momentum": [momenta(case) for case in MOMENTA],
        "polynomial": runs(POLYNOMIALS, polynomial),
        "multiStep": runs(MULTI_STEPS, multi_step),
    }


if __name__ == "__main__":
    stored.main(__doc__, "schedules.json", make)
