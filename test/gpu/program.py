"""Talks to a program that answers jobs: a line of tab-separated fields in, a line of JSON out (job.h)."""

import json
import os
import subprocess
import threading

import numpy as np


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
    """One process for many jobs. `ask` answers with the object of the job's line."""

    def __init__(self, command, environment=None, timeout=300):
        self.command, self.timeout = command, timeout
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env={**os.environ, **(environment or {})},
        )

    def ask(self, kind, **values):
        killer = threading.Timer(self.timeout, self.process.kill)
        killer.start()
        try:
            self.process.stdin.write(job_line(kind, values))
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
            # What libraries print on standard output is not an answer.
            while answer and not answer.startswith("{"):
                answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        finally:
            late = not killer.is_alive()
            killer.cancel()
        if not answer:
            status = self.process.wait()
            reason = f"no answer within {self.timeout} s" if late else f"ended with status {status}"
            raise JobError(f"{os.path.basename(self.command[-1])}, job {kind}: {reason}")
        result = json.loads(answer)
        if "error" in result:
            raise JobError(result["error"])
        return result

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()

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
