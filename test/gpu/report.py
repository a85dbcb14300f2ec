"""What a run found, part by part: as lines on the terminal, as JSON and as Markdown."""

import contextlib
import json
import os
import signal
import sys
import time
import traceback


class Part:
    """One part of a run. Nothing is skipped without being counted, and nothing fails without a reason."""

    def __init__(self, name):
        self.name = name
        self.passed = self.failed = self.skipped = 0
        self.failures, self.skips, self.notes, self.tables, self.values = [], [], [], [], {}
        self.seconds = 0.0
        self.finished = True

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
        self.finished = False

    @contextlib.contextmanager
    def case(self, name):
        """What the block throws is a failure of that case alone, and the next is taken."""
        try:
            yield
        except Exception as error:
            self.fail(f"{name}: {type(error).__name__}: {error}")

    def in_time(self, cases, ends):
        """The cases that begin before `ends` (of the monotonic clock); the others are not reached."""
        cases = list(cases)
        for number, case in enumerate(cases):
            if time.monotonic() > ends:
                left = len(cases) - number
                return self.not_reached(f"{left} of {len(cases)} cases, the time was used up", left)
            yield case

    def table(self, title, header, rows):
        self.tables.append({"title": title, "header": header, "rows": rows})

    def summary(self):
        return summary(self.passed, self.failed, self.skipped)


class Report:
    """Written to `folder` after every part, so that no end of the process loses what was found; nowhere without one."""

    def __init__(self, title, name, folder=None):
        self.title, self.name, self.folder = title, name, folder
        self.environment, self.mark, self.parts, self.complete = {}, "", [], False

    def describe(self, environment):
        self.environment.update(environment)
        print("\n".join(f"{key}: {value}" for key, value in environment.items()), flush=True)

    def run(self, name, work):
        """work(part); whatever it throws is a failure of that part."""
        part = Part(name)
        self.parts.append(part)
        print(f"\n== {name} ==", flush=True)
        started = time.monotonic()
        try:
            work(part)
        except Exception as error:  # so that the other parts still run
            part.fail(f"{type(error).__name__}: {error}")
            traceback.print_exc()
        part.seconds = time.monotonic() - started
        if part.passed + part.failed + part.skipped == 0:
            part.fail("nothing was checked")
        for line in part_lines(part):
            print(line)
        print(f"{name}: {part.summary()}, {part.seconds:.0f} s", flush=True)
        self.write()
        return part

    def end(self, error=None):
        """Writes the whole of it, prints the last lines, and answers with the exit status."""
        if error is not None:
            self.run("The run itself", lambda part: part.fail(f"{type(error).__name__}: {error}"))
        cut_short = [part.name for part in self.parts if not part.finished]
        if cut_short:
            self.run("The run itself", lambda part: part.fail(f"not all was reached of: {'; '.join(cut_short)}"))
        self.complete = True
        self.write()
        print()
        for part in self.parts:
            print(f"{part.name}: {part.summary()}")
        passed, failed, _ = self.totals()
        print(summary(*self.totals()), flush=True)
        return 0 if failed == 0 and passed > 0 else 1

    def totals(self):
        return [sum(getattr(part, key) for part in self.parts) for key in ("passed", "failed", "skipped")]

    def markdown(self):
        lines = [f"# {self.title}", ""]
        for mark in (self.mark, "" if self.complete else "The run ended before its end."):
            lines += [f"**{mark}**", ""] if mark else []
        lines += [f"- {key}: {value}" for key, value in self.environment.items()]
        for part in self.parts:
            lines += ["", f"## {part.name}", "", f"{part.summary()}, {part.seconds:.0f} s", ""]
            lines += part_lines(part)
        return "\n".join([*lines, "", summary(*self.totals()), ""])

    def write(self):
        if self.folder is None:
            return
        os.makedirs(self.folder, exist_ok=True)
        content = {
            "title": self.title,
            **({"mark": self.mark} if self.mark else {}),
            "complete": self.complete,
            "environment": self.environment,
            "parts": [vars(part) for part in self.parts],
            "summary": summary(*self.totals()),
        }
        with open(os.path.join(self.folder, f"{self.name}.json"), "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
            file.write("\n")
        with open(os.path.join(self.folder, f"{self.name}.md"), "w", encoding="utf-8") as file:
            file.write(self.markdown())


def run_command(report, work):
    """work(report), then the end of the process: whatever happens, with a written report and its sums as the last line."""

    def stop(number, _):
        raise SystemExit(f"stopped by {signal.Signals(number).name}")

    signal.signal(signal.SIGTERM, stop)
    error = None
    try:
        work(report)
    except BaseException as thrown:
        traceback.print_exc()
        error = thrown
    sys.exit(report.end(error))


def summary(passed, failed, skipped):
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


def part_lines(part):
    lines = [*part.notes]
    for table in part.tables:
        lines += ["", *([f"**{table['title']}**", ""] if table["title"] else []), *markdown_table(table)]
    lines += [f"FAILED: {reason}" for reason in part.failures]
    lines += [f"skipped: {reason}" for reason in part.skips]
    return lines


def markdown_table(table):
    rows = [table["header"], ["---"] * len(table["header"]), *table["rows"]]
    return ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
