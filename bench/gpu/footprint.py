"""What a process takes until its first step is done, and of the card's memory."""

import time

from measure import OURS, Rounds, contenders, kept, median, shown, theirs_of
from program import JobError
from works import jobs_of

VARIANTS = ("eager", "compiled")
THEIRS = tuple(map(theirs_of, VARIANTS))
MIB = 2**20


def measure_start(part, sides, sizes, cases, data):
    """Each time in a new process. PyTorch without compiling, which would only cost."""
    by_name = {case.name(): case for case in cases}
    sides.warm(part)
    for name in part.in_time(part.lacking(by_name), sides.budget):
        case = by_name[name]
        both, ours, theirs = jobs_of(case, data.of(case.work, case.batch), 1)
        starts = {
            OURS: (sides.start_native, ours),
            theirs_of("eager"): (sides.start_pytorch, {**theirs, "variant": "eager"}),
        }
        with part.case(name):
            rounds = Rounds({side: [] for side in starts})
            for _ in range(sizes.rounds):
                for side, (start, keys) in starts.items():
                    began = time.monotonic()
                    with start() as program:
                        program.ask("training", **both, **keys)
                        rounds.answers[side].append({"seconds": time.monotonic() - began})
            rounds.keep(part, name)
    rows = []
    for name, rounds in kept(part).items():
        ratios = rounds.ratios(OURS, theirs_of("eager"), seconds)
        part.figures[f"start, {name}"] = median(ratios)
        of_each = [shown(rounds.values(side, seconds), "{:.2f}".format) for side in rounds.answers]
        rows.append([name, *of_each, shown(ratios, "{:.2f}".format)])
    part.table("", ["with ArcFace", f"{OURS}, s", f"{theirs_of('eager')}, s", "share"], rows)


def seconds(answer):
    return answer["seconds"]


def measure_memory(part, sides, sizes, cases, data):
    """Each in a process of its own, which asks the driver by how much the card's memory in use grows."""
    by_name = {case.name(): case for case in cases}
    for name in part.in_time(part.lacking(by_name), sides.budget):
        case = by_name[name]
        both, ours, theirs = jobs_of(case, data.of(case.work, sizes.images(case)), 1)
        with part.case(name), sides.start_native() as native, sides.start_pytorch() as pytorch:
            rounds = Rounds()
            for side in contenders(native, pytorch, VARIANTS, ours, theirs):
                rounds.answers[side.name] = []
                try:
                    rounds.answers[side.name].append(asked(side, both, sides.dry))
                except JobError as error:
                    rounds.reasons[side.name] = str(error)
                side.program.close()  # so that the next one's is a new one, on an empty card
            rounds.keep(part, name)
    rows = []
    for name, rounds in kept(part).items():
        sizes_of = {side: rounds.values(side, card_bytes) for side in rounds.answers}
        smallest = min((median(sizes_of[side]) for side in THEIRS if sizes_of.get(side)), default=None)
        if smallest and sizes_of[OURS]:
            part.figures[f"memory, {name}"] = median(sizes_of[OURS]) / smallest
        own = [median(rounds.values(side, lambda a: a.get("reservedBytes", 0))) for side in THEIRS]
        rows.append([
            name, *(shown(sizes_of.get(side), mib) for side in (OURS, *THEIRS)), *("–" if b is None else mib(b) for b in own),
            f"{part.figures[f'memory, {name}']:.2f}" if f"memory, {name}" in part.figures else "–",
        ])  # fmt: skip
    header = ["with ArcFace", *(f"{side}, MiB" for side in (OURS, *THEIRS))]
    header += [f"{side}: max_memory_reserved, MiB" for side in THEIRS]
    part.table("The card's memory in use", [*header, "share of PyTorch's smallest"], rows)


def asked(side, both, dry):
    answer = side.program.ask("memory", **both, **side.keys)
    if "cardBytes" not in answer and not dry:
        raise JobError("the driver does not say how much memory is in use")
    return answer


def card_bytes(answer):
    return answer.get("cardBytes", 0)


def mib(count):
    return f"{count / MIB:,.0f}"
