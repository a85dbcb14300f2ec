"""What a command does: one report after another, a summary of all in the folder, the sums as the last line, and the exit
status, whatever happens."""

import contextlib
import os
import re
import signal
import sys
import traceback

import environment
from report import Report, summary
from summary import write_summary


class Run:
    """`out`: where the reports go, in a folder for each card; nowhere without it."""

    def __init__(self, out=None, again=False):
        self.out, self.again, self.folder = out, again, out
        self.environment, self.identity, self.mark, self.reports = {}, {}, "", []
        self.recorded = None  # what ended a report

    def describe(self, facts):
        self.environment.update(facts)
        print("\n".join(f"{key}: {value}" for key, value in facts.items()), flush=True)

    def on_device(self, info, build):
        """info: what the native core says of its device. Results of another card are another card's."""
        self.describe({**environment.of_device(info), **environment.of_sources(build)})
        self.identity = environment.identity(self.environment)
        if self.out is not None:
            self.folder = os.path.join(self.out, folder_name(info["description"]))
            os.makedirs(self.folder, exist_ok=True)
            for extension in ("json", "md"):  # of an earlier call that could not begin
                with contextlib.suppress(FileNotFoundError):
                    os.remove(os.path.join(self.folder, f"run.{extension}"))

    def report(self, name, title, work):
        """work(report). What it throws fails this report, and the next is taken; what ends the process does so after it was
        written."""
        options = {"environment": self.environment, "identity": self.identity, "mark": self.mark, "again": self.again}
        report = Report(name, title, self.folder, **options)
        self.reports.append(report)
        try:
            work(report)
        except BaseException as error:
            traceback.print_exc()
            report.end(error)
            self.recorded = error
            if not isinstance(error, Exception):
                raise
        else:
            report.end()
        finally:
            if self.folder is not None:
                write_summary(self.folder, self.environment, self.identity, self.mark)

    def end(self):
        """Prints the last lines, and answers with the exit status."""
        print()
        for report in self.reports:
            for part in report.parts:
                print(f"{report.name}, {part.name}: {part.summary()}")
        totals = [sum(sums) for sums in zip(*(report.totals() for report in self.reports))]
        print(summary(*totals), flush=True)
        return 0 if totals[1] == 0 and totals[0] > 0 else 1


def folder_name(description):
    """NVIDIA H200, compute capability 9.0 → nvidia-h200"""
    return re.sub(r"[^a-z0-9]+", "-", description.split(",")[0].lower()).strip("-")


def run_command(run, work):
    """work(run), then the end of the process."""

    def stop(number, _):
        raise SystemExit(f"stopped by {signal.Signals(number).name}")

    signal.signal(signal.SIGTERM, stop)
    try:
        work(run)
    except BaseException as error:
        if error is not run.recorded:
            thrown = error  # its own name ends with this block
            traceback.print_exc()
            run.report("run", "Outside of all reports", lambda report: report.end(thrown))
    sys.exit(run.end())
