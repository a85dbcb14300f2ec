"""Does the check notice? A program that is killed, an error of a job, a run that is not finished, a tensor on the wrong
device: none may pass, and none may lose what else was found."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import itself_run
from budget import Budget
from itself_run import expect
from program import JobError, Program
from report import Part
from run import Run, run_command

HERE = os.path.dirname(os.path.abspath(__file__))
ECHO = f"import sys; sys.path.insert(0, {HERE!r}); from serve import serve; serve({{'echo': dict, 'bad': lambda job: 1 / 0}})"


def echo():
    return Program([sys.executable, "-c", ECHO])


def refused(program, kind):
    try:
        program.ask(kind)
    except JobError as error:
        return str(error)
    return None


def check_program(part):
    with echo() as program:
        expect(part, "an answer does not come back", program.ask("echo", a=1) == {"a": "1"})
        expect(part, "an error of a job is lost", "ZeroDivisionError" in (refused(program, "bad") or ""))
        expect(part, "no new process after a job that failed", program.ask("echo") == {} and program.generation == 1)
        os.kill(program.process.pid, signal.SIGKILL)
        expect(part, "a killed program goes unnoticed", "ended with status -9" in (refused(program, "echo") or ""))
        expect(part, "no new process after one that was killed", program.ask("echo") == {} and program.generation == 2)
        os.kill(program.process.pid, signal.SIGKILL)  # leaving the block is then no error


def killed_run(report):
    """A run whose program is killed between two jobs, and that nobody catches."""
    with echo() as program:
        report.run("before", lambda part: part.ok(len(program.ask("echo", a=1))))
        os.kill(program.process.pid, signal.SIGKILL)
        program.ask("echo")


def unfinished_run(report):
    """The time is used up in the first of two cases."""

    def slow(part):
        for seconds in part.in_time((0.3, 0.3), Budget(0.2)):
            time.sleep(seconds)
            part.ok()

    report.run("slow", slow)


def check_run(part, name, last_line):
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, os.path.abspath(__file__), name, folder]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=60, check=False
        )
        lines = done.stdout.splitlines()
        expect(part, f"{name}: the last line is {lines[-1:]}", lines[-1:] == [last_line])
        expect(part, f"{name}: the exit status is {done.returncode}", done.returncode == 1)
        with open(os.path.join(folder, "wrong.json"), encoding="utf-8") as file:
            expect(part, f"{name}: the report has no sums", json.load(file)["summary"] == last_line)


def check_cases(part):
    cases = Part("")
    for divisor in (0, 1):
        with cases.case("division"):
            cases.ok(1 // divisor)
    expect(part, "a case that fails takes others along", (cases.passed, cases.failed) == (1, 1))


def check_devices(part):
    """PyTorch's side of users_units.py on a device without memory, which notices tensors of another."""
    if importlib.util.find_spec("torch") is None:
        return part.skip("devices of tensors: PyTorch is not there")
    with Program([sys.executable, os.path.join(HERE, "pytorch_epochs.py"), "meta"]) as program:
        part.ok(program.ask("devices")["checked"])


def run(part):
    check_program(part)
    check_run(part, "killed", "1 passed, 1 failed")
    check_run(part, "unfinished", "1 passed, 1 failed, 1 skipped")
    check_cases(part)
    with part.case("devices of tensors"):
        check_devices(part)
    itself_run.run(part)


if __name__ == "__main__":
    RUNS = {"killed": killed_run, "unfinished": unfinished_run}
    WORK = RUNS[sys.argv[1]]
    run_command(Run(sys.argv[2]), lambda run: run.report("wrong", "A run that goes wrong", WORK))
