"""Reads anomalies and facts, writes `gate.json`, and fails where the config says so."""

import collections
import dataclasses
import os
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.data_gate.findings import Finding, label_findings
from components.errors import DataError
from components.files import reading, split_files, write_json
from components.records import read_records


class Executor(base_executor.BaseExecutor):
    """See component.py for inputs, outputs and properties."""

    def Do(self, input_dict: dict, output_dict: dict, exec_properties: dict[str, Any]) -> None:
        """Writes what was found; raises DataError on it when `on_anomaly` is "fail"."""
        anomalies = artifact_utils.get_single_instance(input_dict["anomalies"])
        facts = artifact_utils.get_single_instance(input_dict["facts"])
        found = [*_schema_findings(anomalies), *label_findings(_label_counts(facts))]

        gate = artifact_utils.get_single_instance(output_dict["gate"])
        said = {"passed": not found, "anomalies": [dataclasses.asdict(x) for x in found]}
        write_json(gate.uri, "gate.json", said)
        gate.set_int_custom_property("anomalies", len(found))

        if found and exec_properties["on_anomaly"] == "fail":
            lines = "\n".join(f"  {x.split}: {x.feature}: {x.reason}" for x in found)
            raise DataError(
                f"the data has anomalies, and data.on_anomaly is 'fail':\n{lines}\n"
                "Mend the data or the schema, or set data.on_anomaly to 'warn'"
            )


def _schema_findings(artifact: Any) -> list[Finding]:
    found = []
    for split in artifact_utils.decode_split_names(artifact.split_names):
        folder = artifact_utils.get_split_uri([artifact], split)
        with reading(os.path.join(folder, "SchemaDiff.pb")) as f:
            anomalies = anomalies_pb2.Anomalies.FromString(f.read())
        for feature, info in sorted(anomalies.anomaly_info.items()):
            found.append(Finding(split, feature, info.description))
        for reason in anomalies.dataset_anomaly_info.reason:
            found.append(Finding(split, "dataset", reason.description))
    return found


def _label_counts(artifact: Any) -> dict[str, collections.Counter[str]]:
    return {
        split: collections.Counter(_labels(artifact_utils.get_split_uri([artifact], split)))
        for split in artifact_utils.decode_split_names(artifact.split_names)
    }


def _labels(folder: str) -> Iterator[str]:
    for record in read_records(split_files(folder)).as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        yield features["label"].bytes_list.value[0].decode()
