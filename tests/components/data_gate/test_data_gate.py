import json

import pytest
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


def test_a_class_far_smaller_than_the_largest_is_named_with_both_counts():
    (finding,) = label_findings({"train": {"common": 1000, "rare": 49}})
    assert "rare has 49 pictures, common has 1000" in finding.reason
    assert label_findings({"train": {"common": 1000, "rare": 50}}) == []


@pytest.fixture
def gate_of(tmp_path):
    """Runs the gate over real statistics and anomalies of {split: labels}."""
    import pandas as pd

    def run(labels_by_split, on_anomaly, schema=None):
        statistics, anomalies = (
            standard_artifacts.ExampleStatistics(),
            standard_artifacts.ExampleAnomalies(),
        )
        gate = GateReport()
        for artifact, name in (
            (statistics, "statistics"),
            (anomalies, "anomalies"),
            (gate, "gate"),
        ):
            artifact.uri = str(tmp_path / name)
            (tmp_path / name).mkdir(exist_ok=True)
        for artifact in (statistics, anomalies):
            artifact.split_names = json.dumps(list(labels_by_split))
        for split, labels in labels_by_split.items():
            stats = tfdv.generate_statistics_from_dataframe(pd.DataFrame({"label": labels}))
            schema = schema or tfdv.infer_schema(stats)
            for kind, file, proto in (
                ("statistics", "FeatureStats.pb", stats),
                ("anomalies", "SchemaDiff.pb", tfdv.validate_statistics(stats, schema)),
            ):
                folder = tmp_path / kind / f"Split-{split}"
                folder.mkdir()
                (folder / file).write_bytes(proto.SerializeToString())
        Executor().Do(
            {"statistics": [statistics], "anomalies": [anomalies]},
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
