"""Does a run keep what it found, and go on with it? Reports that are cut short, clocks that nobody tells, and the table of
targets; of numbers made up here."""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time

import clocks
import sanitize
import sanitizer
import sources
import targets
from budget import SECONDS, Budget, OutOfTime
from program import JobError, Program
from report import Report, read
from run import Run, folder_name

HERE = os.path.dirname(os.path.abspath(__file__))
SLOW = f"import sys, time; sys.path.insert(0, {HERE!r}); from serve import serve; serve({{'sleep': lambda job: time.sleep(60)}})"


def expect(part, what, held):
    part.ok() if held else part.fail(what)


class Measured:
    """A run of a part of three cases, of which it counts those that it measures."""

    def __init__(self, folder, cases=9, again=False, card="Card A", breaks=False):
        self.run, self.asked, self.breaks = Run(folder, again), [], breaks
        self.run.on_device({"device": "cuda:0", "description": f"{card}, 9.0", "simulated": 0, "version": ""}, "")
        self.budget = Budget(cases=cases)
        self.run.report("bench-seed", "Made up", lambda report: report.run("three", self.three))
        self.status = self.run.end()

    def three(self, part):
        for name in part.in_time(part.lacking(["a", "b", "c"]), self.budget):
            with part.case(name):
                self.asked.append(name)
                if self.breaks and name == "b":
                    raise SystemExit("broken off")
                part.keep(name, {"answer": len(self.asked)}, 2, ["c never works"] if name == "c" else [])
        part.figures = {f"seed-cnn, batch 128, {name}": 4.0 for name in part.cases}
        part.table("", ["case"], [[name] for name in part.cases])


def check_goes_on(part):
    with tempfile.TemporaryDirectory() as folder:
        first = Measured(folder, cases=1)
        expect(part, "a run that was cut short passes", first.asked == ["a"] and first.status == 1)
        second = Measured(folder)
        expect(part, f"the second call measured {second.asked}", second.asked == ["b", "c"])
        found = read(os.path.join(folder, "card-a", "bench-seed.json"))
        cases = found["parts"][0]["cases"]
        expect(
            part, "what the first call found is lost", [case["value"]["answer"] for case in cases.values()] == [1, 1, 2]
        )
        expect(part, f"counted is {found['summary']}", found["summary"] == "6 passed, 1 failed")
        expect(part, "the table has not all cases", found["parts"][0]["tables"][0]["rows"] == [["a"], ["b"], ["c"]])
        third = Measured(folder)
        expect(part, f"what was finished is measured again: {third.asked}", third.asked == [])
        expect(part, "a failure is forgotten by the next call", third.status == 1)
        expect(part, "--again does not measure again", Measured(folder, again=True).asked == ["a", "b", "c"])
        expect(part, "another card goes on with this one's", Measured(folder, card="Card B").asked == ["a", "b", "c"])


def check_broken_off(part):
    with tempfile.TemporaryDirectory() as folder:
        try:
            Measured(folder, breaks=True)
            part.fail("what ends the process is swallowed")
        except SystemExit:
            part.ok()
        path = os.path.join(folder, "card-a", "bench-seed.json")
        found = read(path)
        expect(part, f"written is {found['summary']}", found["summary"] == "2 passed, 1 failed")
        expect(part, "a part that broke off is not gone on with", Measured(folder).asked == ["b", "c"])
        with open(path, "w", encoding="utf-8") as file:
            file.write(json.dumps(found)[:100])
        expect(part, "half a report is gone on with", Measured(folder).asked == ["a", "b", "c"])
        other = Run(folder)
        other.folder, other.identity = os.path.dirname(path), {"digest of the sources": "other"}
        report = Report("bench-seed", "", other.folder, identity=other.identity)
        expect(part, "a report of other sources is gone on with", report.earlier == {})


def check_kept_parts(part):
    """A call for one part of a report leaves what it has of others."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("first", "second"):
            report = Report("test", "Made up", folder)
            report.run(name, lambda part: part.ok())
            report.end()
        names = [each["name"] for each in read(os.path.join(folder, "test.json"))["parts"]]
        expect(part, f"the report has the parts {names}", names == ["first", "second"])


def check_budgets(part):
    expect(part, "all parts together take more than a quarter of an hour", sum(SECONDS.values()) + 60 <= 15 * 60)
    limits = {name: 240 if name == "sanitize" else 180 for name in SECONDS}
    expect(part, "a part takes too long", all(SECONDS[name] <= limits[name] for name in SECONDS))
    began = time.monotonic()
    with Program([sys.executable, "-c", SLOW], budget=Budget(0, grace_s=1)) as program:
        try:
            program.ask("sleep")
            part.fail("a job without an end is waited for")
        except OutOfTime:
            expect(part, "the time is up long before it ends", time.monotonic() - began < 20)
        except JobError as error:
            part.fail(f"the end of the time counts as a failure: {error}")


# In the place of compute-sanitizer: reports every planted fault, and of tests that they pass.
TOOL = """#!/bin/sh
case "$*" in
  *planted*) echo out_of_bounds_kernel race_kernel uninitialized_kernel; echo "==== ERROR SUMMARY: 1 error" ;;
  *) echo "[doctest] test cases: 3 | 3 passed | 0 failed | 0 skipped"; echo "==== ERROR SUMMARY: 0 errors" ;;
esac
"""


def check_sanitize(part):
    """Tools go on with the files of tests that they lack, and one that does not report its fault is not believed."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "tool")
        with open(path, "w", encoding="utf-8") as file:
            file.write(TOOL)
        os.chmod(path, 0o755)

        def run(cases):
            tools = sanitizer.Sanitizer(path, "", "", folder, Budget(60, cases))
            report = Report("sanitize", "Made up", folder)
            faults = report.run("faults", lambda part: sanitize.planted(part, tools, Budget()))
            tools.kernels = sanitize.believed(faults)
            files = sanitize.files_of_tests("tests", "memcheck")
            for tool in ("memcheck", "synccheck"):
                report.run(tool, lambda part: sanitize.sanitized(part, tools, tool, files, tools.budget))
            return [part.passed for part in report.parts], len(files), report.parts[2].failures

        first, files, reasons = run(2)
        expect(part, f"cut short, the tools passed {first}", first == [3, 2, 0])
        expect(part, f"a tool is believed that does not report its fault: {reasons}", "synccheck" in reasons[0])
        second, files, _ = run(99)
        expect(part, f"gone on with, the tools passed {second} of {files} files", second == [3, files, 0])


def check_clocks(part):
    without = clocks.Clocks("no-such-library.so", "no-such-command")
    expect(part, "clocks are made up", without.read() is None and without.text() == "unknown")
    with tempfile.TemporaryDirectory() as folder:
        command = os.path.join(folder, "smi")
        for text, told in (("1980, 3201\\n345, 405", "SM 1980 MHz, memory 3201 MHz"), ("[N/A], 3201", "unknown")):
            with open(command, "w", encoding="utf-8") as file:
                file.write(f"#!/bin/sh\nprintf '{text}\\n'\n")
            os.chmod(command, 0o755)
            said = clocks.Clocks("no-such-library.so", command).text()
            expect(part, f"of clocks {text!r} the check says {said}", said == told)
    for what, seconds, clock, told in (
        ("a clock that rises", [1] * 9, [345, 1200, 1980, 1980, 1975, 1980], "Warm"),
        ("unknown clocks", [3, 2, 1, 1, 1, 1], [None] * 9, "Warm"),
        ("a clock that never stays", [1] * 9999, [345, 1980] * 9999, "Not steady"),
    ):
        work, read_clock = iter(seconds), iter(clock)

        def mhz():
            value = next(read_clock)
            time.sleep(0.001)
            return value and {"SM": value, "memory": 3201}

        said = clocks.warm(lambda: next(work), mhz, 0.2)
        expect(part, f"{what}: {said}", said.startswith(told))


def check_targets(part):
    fast = targets.Target("fast", "bench-seed", 1.3, ("a", "b"))
    small = targets.Target("small", "bench-memory", 0.8, at_most=True)
    many = {f"kernel{i}": 0.9 - 0.01 * i for i in range(10)}
    for target, measured, told in (
        (fast, {}, ["", "not measured"]),
        (fast, {"a": 1.5, "other": 0.1}, ["a 1.50", "reached; not measured: b"]),
        (fast, {"a": 1.5, "b": 1.1}, ["a 1.50, b 1.10", "missed by 0.20"]),
        (small, {"a": 0.5, "b": 0.8}, ["a 0.50, b 0.80", "reached"]),
        (small, {"a": 0.9}, ["a 0.90", "missed by 0.10"]),
        (
            targets.Target("kernels", "bench-bandwidth", 0.829),
            many,
            ["8 of 10; not kernel8 0.82, kernel9 0.81", "missed by 0.02"],
        ),
    ):
        row = target.row(measured)
        expect(part, f"of {measured} the table says {row}", row[2:] == told)
    with tempfile.TemporaryDirectory() as folder:
        Measured(folder, cases=1)
        with open(os.path.join(folder, "card-a", "summary.md"), encoding="utf-8") as file:
            text = file.read()
        expect(
            part,
            "the summary does not say what is unfinished",
            "| bench-seed | 2 passed" in text and "| three |" in text,
        )
        expect(part, "the summary has not every target", all(target.title in text for target in targets.TARGETS))


def check_sources(part):
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, os.path.join(HERE, "sources.py"), folder]

        def built():
            return subprocess.run([*command[:2], "--built", folder], stderr=subprocess.PIPE, check=False).returncode

        expect(part, "programs that nobody compiled count as built", built() != 0)
        subprocess.run(command, check=True)
        expect(part, "what was compiled does not count as built", built() == 0)
        with open(sources.stamp(folder), "w", encoding="utf-8") as file:
            file.write('{"compiled": "other"}')
        expect(part, "programs of other sources count as built", built() != 0)
    card = folder_name("NVIDIA H100 80GB HBM3, compute capability 9.0")
    expect(part, f"the folder of an H100 is {card}", card == "nvidia-h100-80gb-hbm3")


def run(part):
    for check in (
        check_goes_on,
        check_broken_off,
        check_kept_parts,
        check_budgets,
        check_sanitize,
        check_clocks,
        check_targets,
        check_sources,
    ):
        with part.case(check.__name__), contextlib.redirect_stdout(io.StringIO()):  # of the runs in it
            check(part)
