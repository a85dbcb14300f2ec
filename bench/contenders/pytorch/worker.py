"""One job with PyTorch. Run by bench/rivals/run.mjs with the job as JSON; answers in lines that start with "@bench ".

Variants: nchw; nhwc (channels_last); compile (channels_last under torch.compile). The head alone: eager, compile.
"""

import json
import sys

import torch

import head_alone
import inference
import training
from protocol import report

MEASURES = {
    "throughput": training.throughput,
    "startup": training.startup,
    "inference": inference.inference,
    "head": head_alone.head_alone,
}


def main():
    job = json.loads(sys.argv[1])
    torch.set_num_threads(job["threads"])
    torch.manual_seed(0)
    MEASURES[job["measure"]](job)
    report("version", name="PyTorch", version=torch.__version__)


main()
