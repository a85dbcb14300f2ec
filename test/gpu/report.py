"""What a run found, part by part: as lines on the terminal, as JSON and as Markdown."""

import json
import os
import sys
import time
import traceback

from program import JobError


class Part:
    """One part of a run. Nothing is skipped without being counted, and nothing fails without a reason."""

    def __init__(self, name):
        self.name = name
        self.passed = self.failed = self.skipped = 0
        self.failures, self.skips, self.notes, self.tables, self.values = [], [], [], [], {}
        self.seconds = 0.0

    def ok(self, count=1):
        self.passed += count

    def fail(self, reason, count=1):
        self.failed += count
        self.failures.append(reason)

    def skip(self, reason, count=1):
        self.skipped += count
        self.skips.append(reason)

    def table(self, title, header, rows):
        self.tables.append({"title": title, "header": header, "rows": rows})

    def summary(self):
        text = f"{self.passed} passed, {self.failed} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")


class Report:
    def __init__(self, title, environment, mark=""):
        self.title, self.environment, self.mark = title, environment, mark
        self.parts = []

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
        for line in self.part_lines(part):
            print(line)
        print(f"{name}: {part.summary()}, {part.seconds:.0f} s", flush=True)
        return part

    @staticmethod
    def part_lines(part):
        lines = [*part.notes]
        for table in part.tables:
            lines += ["", *([f"**{table['title']}**", ""] if table["title"] else []), *markdown_table(table)]
        lines += [f"FAILED: {reason}" for reason in part.failures]
        lines += [f"skipped: {reason}" for reason in part.skips]
        return lines

    def totals(self):
        return [sum(getattr(part, key) for part in self.parts) for key in ("passed", "failed", "skipped")]

    def summary(self):
        passed, failed, skipped = self.totals()
        return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")

    def markdown(self):
        lines = [f"# {self.title}", ""]
        if self.mark:
            lines += [f"**{self.mark}**", ""]
        lines += [f"- {key}: {value}" for key, value in self.environment.items()]
        for part in self.parts:
            lines += ["", f"## {part.name}", "", f"{part.summary()}, {part.seconds:.0f} s", ""]
            lines += self.part_lines(part)
        return "\n".join([*lines, "", self.summary(), ""])

    def write(self, folder, name):
        os.makedirs(folder, exist_ok=True)
        content = {
            "title": self.title,
            **({"mark": self.mark} if self.mark else {}),
            "environment": self.environment,
            "parts": [vars(part) for part in self.parts],
            "summary": self.summary(),
        }
        with open(os.path.join(folder, f"{name}.json"), "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
            file.write("\n")
        with open(os.path.join(folder, f"{name}.md"), "w", encoding="utf-8") as file:
            file.write(self.markdown())

    def finish(self):
        """The last lines, and the exit status."""
        print()
        for part in self.parts:
            print(f"{part.name}: {part.summary()}")
        print(self.summary(), flush=True)
        passed, failed, _ = self.totals()
        return 0 if failed == 0 and passed > 0 else 1


def run_command(main):
    """Ends the process with main's status; where there is no device to begin with, with the reason and a summary."""
    try:
        sys.exit(main())
    except JobError as error:
        print(f"FAILED: {error}\n0 passed, 1 failed")
        sys.exit(1)


def markdown_table(table):
    rows = [table["header"], ["---"] * len(table["header"]), *table["rows"]]
    return ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
