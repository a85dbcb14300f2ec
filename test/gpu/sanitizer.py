"""compute-sanitizer: where it is, how a tool is run, and whether that run checks anything."""

import glob
import os
import re
import shutil
import signal
import subprocess

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
    """Runs tools while there is time. One that has not reported its planted fault is not run on anything else."""

    def __init__(self, path, plugin, build, out, budget):
        self.path, self.out, self.budget = path, out, budget
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
                return part.keep(tool, kernels)
            said.append(f"{' '.join(kernels)}: {output[-500:]!r}")
        reason = f"{tool} does not report the planted fault '{fault}'; it said last, {'; '.join(said)}"
        part.keep(tool, None, 0, [reason])

    def run(self, part, tool, what, command, check, text=None):
        """One tool over one program, a case of the part: its summary must be there and name no error. check(output) says
        what the program itself did wrong, or nothing."""
        output, stopped = self.output(tool, self.kernels[tool], command, text=text)
        self.log(tool, what, output)
        errors = errors_of(output)
        if errors is None and stopped and not FINDING.search(output):
            return part.not_reached(f"{what}: {stopped}, no error until then")
        if errors is None:
            reason = f"{what}: no summary of {tool}; it said last: {output[-500:]!r}"
        elif errors:
            reason = f"{what}: {errors} errors; {tool}.log has them"
        else:
            reason = check(output)
        part.keep(what, {"errors": errors}, 0 if reason else 1, [reason] if reason else [])

    def log(self, tool, what, output):
        with open(os.path.join(self.out, f"{tool}.log"), "a", encoding="utf-8") as log:
            log.write(f"#### {what}\n{output[-2_000_000:]}\n")

    def output(self, tool, kernels, command, text=None, limit=None):
        """Output, and why the run was stopped where it was. A group of its own, so that the tool's program ends with it."""
        # The tests provoke errors of the API, such as allocations that are too large.
        options = ["--tool", tool, "--error-exitcode", "99", "--report-api-errors", "no", *kernels]
        left = max(self.budget.left(), 1)
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
