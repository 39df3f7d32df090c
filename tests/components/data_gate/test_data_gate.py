import json

import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from tfx.types import standard_artifacts

from components.artifacts import GateReport
from components.data_gate.executor import Executor
from components.data_gate.findings import label_findings
from components.errors import DataError


def test_balanced_labels_are_fine():
    assert label_findings({"train": {"a": 50, "b": 60}, "test": {"a": 5, "b": 6}}) == []


def test_a_class_that_a_split_lacks_is_named():
    (finding,) = label_findings({"train": {"a": 50, "b": 60}, "test": {"a": 5}})
    assert (finding.split, finding.reason) == ("test", "no picture of b")


def test_many_classes_that_a_split_lacks_are_counted():
    train = {f"c{i:02}": 5 for i in range(30)}
    (finding,) = label_findings({"train": train, "test": {"c00": 1}})
    assert finding.reason.startswith("no picture of c01, c02, ")
    assert finding.reason.endswith(", c10 and 19 more")


def test_a_split_that_nobody_asked_for_lacks_no_class():
    assert label_findings({"train": {"a": 50, "b": 60}, "eval": {}, "test": {"a": 5, "b": 6}}) == []


def test_a_class_far_smaller_than_the_largest_is_named_with_both_counts():
    (finding,) = label_findings({"train": {"common": 1000, "rare": 49}})
    assert "rare has 49 pictures, common has 1000" in finding.reason
    assert label_findings({"train": {"common": 1000, "rare": 50}}) == []


def write_facts(folder, labels):
    with tf.io.TFRecordWriter(str(folder / "data_tfrecord-00000-of-00001.gz"), "GZIP") as writer:
        for label in labels:
            value = tf.train.Feature(bytes_list=tf.train.BytesList(value=[label.encode()]))
            features = tf.train.Features(feature={"label": value})
            writer.write(tf.train.Example(features=features).SerializeToString())


@pytest.fixture
def gate_of(tmp_path):
    """Runs the gate over the facts and real anomalies of {split: labels}."""
    import pandas as pd

    def run(labels_by_split, on_anomaly, schema=None):
        facts, anomalies = standard_artifacts.Examples(), standard_artifacts.ExampleAnomalies()
        gate = GateReport()
        for artifact, name in (
            (facts, "facts"),
            (anomalies, "anomalies"),
            (gate, "gate"),
        ):
            artifact.uri = str(tmp_path / name)
            (tmp_path / name).mkdir(exist_ok=True)
        for artifact in (facts, anomalies):
            artifact.split_names = json.dumps(list(labels_by_split))
        for split, labels in labels_by_split.items():
            stats = tfdv.generate_statistics_from_dataframe(pd.DataFrame({"label": labels}))
            schema = schema or tfdv.infer_schema(stats)
            found = tfdv.validate_statistics(stats, schema)
            for kind in ("facts", "anomalies"):
                (tmp_path / kind / f"Split-{split}").mkdir()
            written = tmp_path / "anomalies" / f"Split-{split}" / "SchemaDiff.pb"
            written.write_bytes(found.SerializeToString())
            write_facts(tmp_path / "facts" / f"Split-{split}", labels)
        Executor().Do(
            {"facts": [facts], "anomalies": [anomalies]},
            {"gate": [gate]},
            {"on_anomaly": on_anomaly},
        )
        return json.loads((tmp_path / "gate" / "gate.json").read_text())

    return run


def test_good_data_passes(gate_of):
    assert gate_of({"train": ["a", "b"] * 20, "test": ["a", "b"]}, "fail") == {
        "passed": True,
        "anomalies": [],
    }


def test_a_warning_is_written_down_and_goes_on(gate_of):
    said = gate_of({"train": ["a", "b"] * 20, "test": ["a"]}, "warn")
    assert not said["passed"]
    assert said["anomalies"][0]["reason"] == "no picture of b"


def test_a_label_unknown_to_the_schema_fails_the_run_where_so_configured(gate_of):
    with pytest.raises(DataError, match="(?s)test: label: .*set data.on_anomaly to 'warn'"):
        gate_of({"train": ["a", "b"] * 20, "test": ["a", "b", "c"]}, "fail")


def test_classes_are_counted_however_many_there_are(gate_of):
    names = [f"c{i:04}" for i in range(1200)]
    train = [name for i, name in enumerate(names) for _ in range(1 if i < 200 else 40)]
    said = gate_of({"train": train, "test": names}, "warn")["anomalies"]
    small = [x["reason"].split()[0] for x in said if "more than 20 times" in x["reason"]]
    assert small == names[:200]
    assert not [x for x in said if "no picture of" in x["reason"]]
