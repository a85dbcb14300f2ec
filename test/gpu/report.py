"""What a run found, part by part: as lines on the terminal, as JSON and as Markdown. A report that is there already, of the
same sources on the same device, is gone on with."""

import contextlib
import json
import os
import time
import traceback

from budget import OutOfTime

THE_RUN = "The run itself"


class Part:
    """One part of a report. Nothing is skipped without being counted, and nothing fails without a reason. `earlier`: what
    an earlier call left unfinished; its cases are not measured again."""

    def __init__(self, name, earlier=None, kept=lambda: None):
        self.name, self.changed = name, kept
        self.passed = self.failed = self.skipped = self.unreached = 0
        self.failures, self.skips, self.notes, self.tables, self.values = [], [], [], [], {}
        self.figures = {}  # name → ratio, for targets.py
        self.clocks, self.cases, self.seconds, self.finished = [], {}, 0.0, False
        if earlier:
            self.clocks, self.seconds = earlier["clocks"], earlier["seconds"]
            for case, found in earlier["cases"].items():
                self.add_case(case, found)

    @staticmethod
    def read(content):
        part = Part(content["name"])
        vars(part).update(content)
        return part

    def content(self):
        return {key: value for key, value in vars(self).items() if key != "changed"}

    def ok(self, count=1):
        self.passed += count

    def fail(self, reason, count=1):
        self.failed += count
        self.failures.append(reason)

    def skip(self, reason, count=1):
        self.skipped += count
        self.skips.append(reason)

    def not_reached(self, reason, count=1):
        """A skip after which the run as a whole has failed: it has not done what it is for."""
        self.skip(f"not reached: {reason}", count)
        self.unreached += count

    def keep(self, case, value, passed=1, failures=(), skips=()):
        """What a case came to: it is written at once, and no later call measures it again."""
        self.add_case(case, {"value": value, "passed": passed, "failures": list(failures), "skips": list(skips)})
        self.changed()

    def add_case(self, case, found):
        self.cases[case] = found
        self.ok(found["passed"])
        for reason in found["failures"]:
            self.fail(reason)
        for reason in found["skips"]:
            self.skip(reason)

    @contextlib.contextmanager
    def case(self, name):
        """What the block throws is a failure of that case alone, and the next is taken."""
        try:
            yield
        except OutOfTime:
            self.not_reached(f"{name}: broken off, the time was used up")
        except Exception as error:
            self.fail(f"{name}: {type(error).__name__}: {error}")

    def in_time(self, cases, budget):
        """The cases that may still begin; the others are not reached."""
        cases = list(cases)
        for number, case in enumerate(cases):
            if not budget.begin():
                left = len(cases) - number
                return self.not_reached(f"{left} of {len(cases)} cases, the time was used up", left)
            yield case

    def lacking(self, names):
        """Those of the cases that are not kept yet."""
        return [name for name in names if name not in self.cases]

    def table(self, title, header, rows):
        self.tables.append({"title": title, "header": header, "rows": rows})

    def summary(self):
        return summary(self.passed, self.failed, self.skipped)


class Report:
    """Written to `folder` as it grows, so that no end of the process loses what was found; nowhere without one.
    `identity`: what has to be the same for an earlier report to be gone on with; with `again` none is."""

    def __init__(self, name, title, folder=None, environment=None, identity=None, mark="", again=False):
        self.name, self.title, self.folder = name, title, folder
        self.environment, self.identity, self.mark = environment or {}, identity or {}, mark
        self.parts, self.complete = [], False
        earlier = read(self.path("json")) if folder and not again else None
        parts = earlier["parts"] if earlier and earlier["identity"] == self.identity else []
        self.earlier = {part["name"]: part for part in parts if part["name"] != THE_RUN}

    def path(self, extension):
        return os.path.join(self.folder, f"{self.name}.{extension}")

    def run(self, name, work, clocks=None):
        """work(part); whatever it throws is a failure of that part. One that an earlier call finished is left as it is."""
        earlier = self.earlier.pop(name, None)
        if earlier and earlier["finished"]:
            self.parts.append(Part.read(earlier))
            print(f"\n== {name} == was finished before: {self.parts[-1].summary()}", flush=True)
            return self.parts[-1]
        part = Part(name, earlier, self.write)
        self.parts.append(part)
        print(f"\n== {name} ==" + (f" goes on behind {len(part.cases)} cases" if part.cases else ""), flush=True)
        started, seconds_before = time.monotonic(), part.seconds
        before = clocks.text() if clocks else None
        try:
            work(part)
            part.finished = part.unreached == 0
        except Exception as error:  # so that the other parts still run
            part.fail(f"{type(error).__name__}: {error}")
            traceback.print_exc()
        part.seconds = seconds_before + time.monotonic() - started
        if clocks:
            part.clocks.append(f"{before} before, {clocks.text()} after")
        if part.passed + part.failed + part.skipped == 0:
            part.fail("nothing was checked")
        for line in part_lines(part):
            print(line)
        print(f"{name}: {part.summary()}, {part.seconds:.0f} s", flush=True)
        self.write()
        return part

    def end(self, error=None):
        if error is not None:
            self.run(THE_RUN, lambda part: part.fail(f"{type(error).__name__}: {error}"))
        cut_short = [part.name for part in self.parts if part.unreached]
        if cut_short:
            self.run(THE_RUN, lambda part: part.fail(f"not all was reached of: {'; '.join(cut_short)}"))
        self.complete = True
        self.write()

    def totals(self):
        return [sum(getattr(part, key) for part in self.parts) for key in ("passed", "failed", "skipped")]

    def markdown(self, parts):
        lines = [f"# {self.title}", ""]
        for mark in (self.mark, "" if self.complete else "The run ended before its end."):
            lines += [f"**{mark}**", ""] if mark else []
        lines += [f"- {key}: {value}" for key, value in self.environment.items()]
        for part in parts:
            lines += ["", f"## {part.name}", "", f"{part.summary()}, {part.seconds:.0f} s", ""]
            lines += part_lines(part)
        return "\n".join([*lines, "", summary(*self.totals()), ""])

    def write(self):
        """With the parts of earlier calls that this one was not asked for."""
        if self.folder is None:
            return
        os.makedirs(self.folder, exist_ok=True)
        parts = [*map(Part.read, self.earlier.values()), *self.parts]
        content = {
            "title": self.title,
            **({"mark": self.mark} if self.mark else {}),
            "complete": self.complete,
            "identity": self.identity,
            "environment": self.environment,
            "parts": [part.content() for part in parts],
            "summary": summary(*self.totals()),
        }
        write_file(self.path("json"), json.dumps(content, indent=1) + "\n")
        write_file(self.path("md"), self.markdown(parts))


def read(path):
    """A report's JSON; None where there is none, or one of another kind."""
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError):
        return None
    return content if "identity" in content and "parts" in content else None


def write_file(path, text):
    """All of it or nothing, even where the process is killed meanwhile."""
    with open(f"{path}.part", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(f"{path}.part", path)


def summary(passed, failed, skipped):
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


def part_lines(part):
    lines = [*part.notes, *(f"Clocks: {clocks}." for clocks in part.clocks)]
    for table in part.tables:
        lines += ["", *([f"**{table['title']}**", ""] if table["title"] else []), *markdown_table(table)]
    lines += [f"FAILED: {reason}" for reason in part.failures]
    lines += [f"skipped: {reason}" for reason in part.skips]
    return lines


def markdown_table(table):
    rows = [table["header"], ["---"] * len(table["header"]), *table["rows"]]
    return ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
