"""The contender's side of the conversation with bench/rivals/run.mjs, as shared/protocol.cjs is for those in JavaScript."""

import json
import time


def report(event, **fields):
    print("@bench " + json.dumps({"event": event, "cpuSeconds": time.process_time(), **fields}), flush=True)


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak_memory():
    """VmHWM, not ru_maxrss: the latter starts at the size of the process that spawned this one."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
