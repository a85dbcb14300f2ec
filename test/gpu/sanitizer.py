"""compute-sanitizer: where it is, how a tool is run, and whether that run checks anything."""

import glob
import os
import re
import shutil
import signal
import subprocess
import time

import operations

SUMMARY = re.compile(
    r"^=+ (?:ERROR SUMMARY: (\d+) errors?|RACECHECK SUMMARY: \d+ hazards? displayed[\s=]*\((\d+) errors?)", re.M
)
FINDING = re.compile(
    r"^=+ (?:Error: |Invalid |Misaligned |Uninitialized |Barrier error |.*Race reported|.*hazard)", re.M
)
# Kernels of ours, by a part of their mangled names. The libraries' kernels break the rules that racecheck and synccheck
# know; for those two there is no run without the filter. The second is of older tools.
OURS = (["--kernel-regex", "kns=margincore"], ["--filter", "kns=margincore"])
ALL = ([],)
FILTERS = {"memcheck": ALL, "racecheck": OURS, "synccheck": OURS, "initcheck": ALL}
FAULTS = {
    "memcheck": "out_of_bounds",
    "racecheck": "race",
    "synccheck": "divergent_barrier",
    "initcheck": "uninitialized",
}


def find():
    nvcc = shutil.which("nvcc")
    beside = [os.path.join(os.path.dirname(os.path.realpath(nvcc)), "compute-sanitizer")] if nvcc else []
    places = [
        *beside,
        *glob.glob("/usr/local/cuda*/bin/compute-sanitizer"),
        "/opt/nvidia/compute-sanitizer/compute-sanitizer",
    ]
    return shutil.which("compute-sanitizer") or next((place for place in places if os.path.exists(place)), None)


def errors_of(output):
    """None without a summary."""
    found = SUMMARY.findall(output)
    return sum(int(a or b) for a, b in found) if found else None


class Sanitizer:
    """Runs tools until `ends`. One that has not reported its planted fault is not run on anything else."""

    def __init__(self, path, plugin, build, out, ends):
        self.path, self.out, self.ends = path, out, ends
        self.environment = operations.environment(plugin, build)
        self.faults = os.path.join(build, "test", "gpu", "margincore_planted_faults")
        self.kernels = {}  # tool: the filter with which it reported its fault

    def plant(self, part, tool):
        """Counts 1: the tool must report the fault in our kernel, by its name, with the filter that is used later."""
        fault, said = FAULTS[tool], []
        for kernels in FILTERS[tool]:
            output, _ = self.output(tool, kernels, [self.faults, fault], limit=60)
            self.log(tool, f"planted: {fault} {kernels}", output)
            if errors_of(output) and f"{fault}_kernel" in output:
                self.kernels[tool] = kernels
                part.notes.append(f"{tool} reports the planted fault '{fault}'")
                return part.ok()
            said.append(f"{' '.join(kernels)}: {output[-500:]!r}")
        part.fail(f"{tool} does not report the planted fault '{fault}'; it said last, {'; '.join(said)}")

    def run(self, part, tool, what, command, text=None):
        """One tool over one program. Counts 1: its summary must be there and name no error. Answers with what the program
        printed, or None."""
        if tool not in self.kernels:
            return part.fail(f"{what}: not run, {tool} does not report its planted fault")
        kernels = self.kernels[tool]
        if time.monotonic() > self.ends - 5:
            return part.not_reached(f"{what}: the time was used up")
        output, stopped = self.output(tool, kernels, command, text=text)
        self.log(tool, what, output)
        errors = errors_of(output)
        if errors is None and stopped and not FINDING.search(output):
            return part.not_reached(f"{what}: {stopped}, no error until then")
        if errors is None:
            return part.fail(f"{what}: no summary of {tool}; it said last: {output[-500:]!r}")
        part.notes.append(f"{what}{' (our kernels)' if kernels else ''}: {errors} errors")
        if errors:
            return part.fail(f"{what}: {errors} errors; {tool}.log has them")
        part.ok()
        return output

    def log(self, tool, what, output):
        with open(os.path.join(self.out, f"{tool}.log"), "a", encoding="utf-8") as log:
            log.write(f"#### {what}\n{output[-2_000_000:]}\n")

    def output(self, tool, kernels, command, text=None, limit=None):
        """Output, and why the run was stopped where it was. A group of its own, so that the tool's program ends with it."""
        # The tests provoke errors of the API, such as allocations that are too large.
        options = ["--tool", tool, "--error-exitcode", "99", "--report-api-errors", "no", *kernels]
        left = max(self.ends - time.monotonic(), 1)
        limit = left if limit is None else min(limit, left)
        try:
            process = subprocess.Popen(
                [self.path, *options, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=self.environment,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            return str(error), None
        try:
            return process.communicate(text, timeout=limit)[0], None
        except subprocess.TimeoutExpired:
            return self.kill(process), f"stopped after {limit:.0f} s"
        except BaseException:
            self.kill(process)
            raise

    @staticmethod
    def kill(process):
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0]
