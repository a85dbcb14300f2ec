"""The clocks of the card: read, and waited for."""

import ctypes
import time

from environment import command_output

NVML = "libnvidia-ml.so.1"
KINDS = {"SM": 1, "memory": 2}  # nvmlClockType_t
SPREAD = 1.01  # of readings that count as the same
READINGS = 4
LIMIT_S = 12


class Clocks:
    """Of the first card, by the driver's library, or else by nvidia-smi."""

    def __init__(self, library=NVML, command="nvidia-smi"):
        self.command, self.nvml, self.card = command, None, ctypes.c_void_p()
        try:
            nvml = ctypes.CDLL(library)
            if nvml.nvmlInit_v2() == 0 and nvml.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(self.card)) == 0:
                self.nvml = nvml
        except (OSError, AttributeError):
            pass

    def read(self):
        """MHz by kind; None where neither says."""
        if self.nvml is not None:
            return self.read_nvml()
        text = command_output(self.command, "--query-gpu=clocks.sm,clocks.mem", "--format=csv,noheader,nounits")
        numbers = [number.strip() for number in text.split("\n")[0].split(",")]
        return dict(zip(KINDS, map(int, numbers))) if len(numbers) == 2 and all(map(str.isdigit, numbers)) else None

    def read_nvml(self):
        found, value = {}, ctypes.c_uint()
        for name, kind in KINDS.items():
            if self.nvml.nvmlDeviceGetClockInfo(self.card, kind, ctypes.byref(value)) != 0:
                return None
            found[name] = value.value
        return found

    def text(self):
        clocks = self.read()
        return ", ".join(f"{name} {clocks[name]} MHz" for name in KINDS) if clocks else "unknown"


def warm(work, read, limit_s=LIMIT_S):
    """Works until the SM clock stays; where it is unknown, until work() takes the same seconds. Answers with what became of
    it."""
    started, paces = time.monotonic(), []
    while time.monotonic() - started < limit_s:
        seconds, clocks = work(), read()
        paces = [*paces[1 - READINGS :], clocks["SM"] if clocks else seconds]
        if len(paces) == READINGS and max(paces) <= SPREAD * min(paces):
            what = f"the SM clock is {paces[-1]} MHz" if clocks else "the clocks are unknown, the work's time is steady"
            return f"Warm after {time.monotonic() - started:.1f} s: {what}."
    return f"Not steady after {limit_s:g} s of work: {', '.join(f'{pace:.4g}' for pace in paces)}."
