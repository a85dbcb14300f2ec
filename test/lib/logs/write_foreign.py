"""Writes event files as PyTorch's SummaryWriter and TensorBoard's own scalars have them: python write_foreign.py.

Made with Python 3.11, torch 2.13.0, tensorboard 2.21.0, numpy 2.4.6, protobuf 6.33.6.
"""

import glob
import os
import shutil
import struct
import tempfile

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from torch.utils.tensorboard import SummaryWriter

HERE = os.path.dirname(os.path.abspath(__file__))


def keep(folder, name):
    (path,) = glob.glob(os.path.join(folder, "events.out.tfevents.*"))
    shutil.copyfile(path, os.path.join(HERE, name))


with tempfile.TemporaryDirectory() as folder:
    writer = SummaryWriter(folder)
    for step in range(3):
        writer.add_scalar("plain", 2.0**-step, step, walltime=1_800_000_000 + step)
        writer.add_scalar("tensor", 3.0 + step, 10 * step, walltime=1_800_000_000 + step, new_style=True)
        writer.add_scalar(
            "double", 0.1 * step, step, walltime=1_800_000_000 + step, new_style=True, double_precision=True
        )
    writer.add_scalar("large", 7.0, 2**40, walltime=1_800_000_003)
    writer.add_text("words", "not a number", 1, walltime=1_800_000_003)
    writer.close()
    keep(folder, "pytorch.tfevents")

# As a SummaryWriter that goes on at step 2 after it was stopped.
with tempfile.TemporaryDirectory() as folder:
    writer = SummaryWriter(folder, purge_step=2)
    writer.add_scalar("plain", 8.0, 2, walltime=1_800_000_010)
    writer.close()
    keep(folder, "pytorch-resumed.tfevents")

with tempfile.TemporaryDirectory() as folder:
    writer = EventFileWriter(folder)
    for step in range(3):
        writer.add_event(Event(step=step, wall_time=1_800_000_000 + step, summary=scalar_pb("keras/loss", 1.5**step)))
    # In the bytes of a tensor, as TensorFlow's own operation has it.
    event = Event(step=3, wall_time=1_800_000_003, summary=scalar_pb("keras/loss", 0.0))
    tensor = event.summary.value[0].tensor
    tensor.ClearField("float_val")
    tensor.tensor_content = struct.pack("<f", -5)
    writer.add_event(event)
    writer.close()
    keep(folder, "tensorboard.tfevents")
