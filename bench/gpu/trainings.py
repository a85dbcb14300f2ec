"""Whole training, side by side."""

import contextlib

from measure import OURS, Rounds, contenders, kept, median, shown, theirs_of
from program import JobError
from works import jobs_of

AT_A_TIME = 8  # compilations: a process each, which then keeps what it compiled until all its rounds are done


def groups(cases):
    """Neighbours that are prepared side by side."""
    found, weight = [], AT_A_TIME
    for case in cases:
        weight += case.work.weight
        if weight > AT_A_TIME:
            found.append([])
            weight = case.work.weight
        found[-1].append(case)
    return found


def chosen(case, variants):
    """Eager only where it is asked for; of the others those that the network is measured with."""
    return [variant for variant in variants if variant == "eager" or variant in case.work.variants]


def prepared(sides, stack, group, variants, jobs):
    """A process of PyTorch for each case, in which its network was compiled, once. What cannot be compiled says so when it
    is measured."""
    programs = {case: stack.enter_context(sides.start_pytorch()) for case in group}
    compiling = [case for case in group if "compiled" in chosen(case, variants)]
    for case in compiling:
        both, _, theirs = jobs[case]
        programs[case].send("training", **{**both, "epochs": 1}, **theirs, variant="compiled")
    for case in compiling:
        with contextlib.suppress(JobError):
            programs[case].receive("training")
    return programs


def measure(part, sides, sizes, cases, variants, data):
    by_name = {case.name(): case for case in cases}
    lacking = [by_name[name] for name in part.lacking(by_name)]
    pytorch = sides.pytorch(part) is not None if lacking else False
    for group in groups(lacking):
        if not sides.budget.is_open():
            part.not_reached(f"{', '.join(case.name() for case in group)}: the time was used up", len(group))
            continue
        jobs = {case: jobs_of(case, data.of(case.work, sizes.images(case)), case.work.epochs) for case in group}
        with part.case(f"{group[0].name()} and {len(group) - 1} more"), contextlib.ExitStack() as stack:
            programs = prepared(sides, stack, group, variants, jobs) if pytorch else {}
            sides.warm(part)
            for case in part.in_time(group, sides.budget):
                with part.case(case.name()):
                    measure_case(part, sides, sizes, case, jobs[case], programs.get(case), chosen(case, variants))
                    print(" | ".join(row(case.name(), kept(part)[case.name()], variants)), flush=True)
                if case in programs:
                    programs[case].close()
                with contextlib.suppress(JobError):  # then its process is replaced
                    sides.native.ask("close")
    show(part, variants)


def measure_case(part, sides, sizes, case, job, program, variants):
    both, ours, theirs = job
    rounds = Rounds().run(
        contenders(sides.native, program, variants, ours, theirs), sizes.rounds, "training", both, warm_up=True
    )
    counts = {name: answers[0]["parameters"] for name, answers in rounds.answers.items() if answers}
    alike = len(set(counts.values())) <= 1
    rounds.keep(part, case.name(), [] if alike else [f"{case.name()}: numbers of parameters differ: {counts}"])


def per_second(answer):
    return answer["images"] / answer["seconds"]


def show(part, variants):
    rows = []
    for name, rounds in kept(part).items():
        rows.append(row(name, rounds, variants))
        ratios = rounds.ratios(OURS, theirs_of("compiled"), per_second)
        if ratios:
            part.figures[name] = median(ratios)
    header = ["with ArcFace", f"{OURS}, images/s"]
    for variant in map(theirs_of, variants):
        header += [f"{variant}, images/s", "times as fast"]
    part.table("", [*header, "times as fast as the best of PyTorch"], rows)


def row(name, rounds, variants):
    theirs = [theirs_of(variant) for variant in variants]
    cells = [name, shown(rounds.values(OURS, per_second), "{:,.0f}".format)]
    for variant in theirs:
        cells.append(shown(rounds.values(variant, per_second), "{:,.0f}".format))
        cells.append(shown(rounds.ratios(OURS, variant, per_second), "{:.2f}".format))
    best = rounds.best(theirs, per_second)
    ratio = shown(rounds.ratios(OURS, best, per_second), "{:.2f}".format) if best else ""
    return [*cells, f"{ratio} ({best})" if best else "–"]
