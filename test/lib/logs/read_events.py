"""Says as JSON what TensorBoard's own reader finds in a folder or an event file: python read_events.py PATH > FILE.

Made with Python 3.11, tensorboard 2.21.0, numpy 2.4.6, protobuf 6.33.6.
"""

import json
import math
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_accumulator import (
    EventAccumulator as MigratingAccumulator,
)
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.util import tensor_util

NO_LIMIT = {"scalars": 0, "histograms": 0, "tensors": 0}


def hparams(accumulator):
    """Of the plugin's three summaries what they say."""
    if "hparams" not in accumulator.summary_metadata_plugins:
        return {}
    found = {}
    for tag, content in accumulator.PluginTagToContent("hparams").items():
        data = plugin_data_pb2.HParamsPluginData.FromString(content)
        kind = data.WhichOneof("data")
        if kind == "session_start_info":
            values = {
                name: getattr(value, value.WhichOneof("kind"))
                for name, value in data.session_start_info.hparams.items()
            }
            found[tag] = {"start": data.session_start_info.start_time_secs, "hparams": values}
        elif kind == "session_end_info":
            info = data.session_end_info
            found[tag] = {"end": info.end_time_secs, "status": info.status}
        else:
            found[tag] = {
                "metrics": [metric.name.tag for metric in data.experiment.metric_infos],
                "hparams": [[info.name, info.type] for info in data.experiment.hparam_infos],
            }
    return found


def plain(value):
    """JSON has no NaN and no infinity."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def read(path):
    """As EventAccumulator has it, and as TensorBoard itself sees it, which makes tensors of everything."""
    accumulator = EventAccumulator(path, NO_LIMIT).Reload()
    migrating = MigratingAccumulator(path, {"tensors": 0}).Reload()
    tags = accumulator.Tags()
    plugins = {tag: migrating.SummaryMetadata(tag).plugin_data.plugin_name for tag in migrating.Tags()["tensors"]}
    accumulator.summary_metadata_plugins = {
        accumulator.SummaryMetadata(tag).plugin_data.plugin_name for tag in accumulator.summary_metadata
    }
    return {
        "fileVersion": accumulator.file_version,
        "scalars": {
            tag: [[event.wall_time, event.step, event.value] for event in accumulator.Scalars(tag)]
            for tag in tags["scalars"]
        },
        "histograms": {
            tag: [[event.wall_time, event.step, vars(event.histogram_value)] for event in accumulator.Histograms(tag)]
            for tag in tags["histograms"]
        },
        "texts": {
            tag: [
                [
                    event.wall_time,
                    event.step,
                    [each.decode() for each in tensor_util.make_ndarray(event.tensor_proto).tolist()],
                ]
                for event in accumulator.Tensors(tag)
            ]
            for tag in tags["tensors"]
            if plugins.get(tag) == "text"
        },
        "hparams": hparams(accumulator),
        "plugins": plugins,
    }


if __name__ == "__main__":
    json.dump(plain(read(sys.argv[1])), sys.stdout, indent=1, sort_keys=True)
    print()
