"""Talks to a program that answers jobs: a line of tab-separated fields in, a line of JSON out (job.h, serve.py)."""

import contextlib
import json
import os
import subprocess
import sys
import threading

import numpy as np

from budget import OutOfTime


class JobError(Exception):
    """The program's own words on why a job failed, or what became of the program."""


def field(value):
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, (list, tuple)):
        return ",".join(field(item) for item in value)
    return repr(value) if isinstance(value, float) else str(value)


def job_line(kind, values):
    return "\t".join([kind, *(f"{key}={field(value)}" for key, value in values.items())]) + "\n"


class Program:
    """One process for many jobs. `ask` answers with the object of the job's line. A job that fails ends the process, and
    the next gets a new one: after some errors a process cannot use its CUDA device any more. `budget`: ends the wait for an answer, too."""

    def __init__(self, command, environment=None, timeout=300, budget=None):
        self.command, self.timeout, self.budget = command, timeout, budget
        self.environment = {**os.environ, **(environment or {})}
        self.process = None
        self.generation = 0  # of processes: another one knows nothing of what was asked before
        self.name = os.path.basename(command[1] if command[0] == sys.executable else command[0])

    def ask(self, kind, **values):
        self.send(kind, **values)
        return self.receive(kind)

    def send(self, kind, **values):
        """Without waiting for the answer: `receive` does."""
        if self.process is None:
            self.start()
        with contextlib.suppress(BrokenPipeError):  # then there will be no answer
            self.process.stdin.write(job_line(kind, values))
            self.process.stdin.flush()

    def receive(self, kind):
        try:
            return self.answer(kind)
        except BaseException:  # also of the keyboard: a late answer would be taken for that of the next job
            self.close(patience=10)
            raise

    def start(self):
        try:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                errors="replace",
                bufsize=1,
                env=self.environment,
            )
        except OSError as error:
            raise JobError(f"{self.command[0]} cannot be started: {error}") from error

    def answer(self, kind):
        """Throws OutOfTime where it is the budget that ends."""
        late, limit, process = threading.Event(), self.timeout, self.process
        if self.budget is not None:
            limit = min(limit, self.budget.patience())
        killer = threading.Timer(limit, lambda: (late.set(), process.kill()))
        killer.start()
        try:
            answer = self.process.stdout.readline()
            # What libraries print on standard output is not an answer.
            while answer and not answer.startswith("{"):
                answer = self.process.stdout.readline()
        finally:
            killer.cancel()
        where = f"{self.name}, job {kind}"
        if not answer.endswith("\n"):
            status = self.process.wait()
            if late.is_set() and limit < self.timeout:
                raise OutOfTime(where)
            reason = f"no answer within {self.timeout} s" if late.is_set() else f"ended with status {status}"
            raise JobError(f"{where}: {reason}")
        try:
            result = json.loads(answer)
        except ValueError as error:
            raise JobError(f"{where}: no JSON: {answer[:200]!r}") from error
        if "error" in result:
            raise JobError(result["error"])
        return result

    def close(self, patience=30):
        """Never throws: what a process has answered counts, however it ends."""
        process, self.process = self.process, None
        if process is None:
            return
        self.generation += 1
        with contextlib.suppress(OSError):  # a line that a dead process did not take is flushed once more
            process.stdin.close()
        try:
            process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def read_arrays(path, answer):
    """Name → fp32 array, of a job that wrote an ArrayFile."""
    values = np.fromfile(path, dtype=np.float32)
    ends = np.cumsum(answer["counts"])
    if ends[-1] != len(values):
        raise JobError(f"{path} has {len(values)} numbers, not {ends[-1]}")
    return dict(zip(answer["arrays"].split("\n"), np.split(values, ends[:-1])))
