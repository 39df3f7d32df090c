"""The artifact types that TFX does not have. Payloads are described where they are written."""

from tfx.types.artifact import Artifact
from tfx.types.system_artifacts import Dataset


class Rejects(Artifact):
    """Inputs that could not be used: `rejects.jsonl`, one {"path", "reason"} a line."""

    TYPE_NAME = "Rejects"


class GateReport(Artifact):
    """The data gate's findings: `gate.json`, {passed, anomalies [{split, feature, reason}]}."""

    TYPE_NAME = "GateReport"


class Preprocessing(Artifact):
    """How images become inputs: vocabulary, serving preprocessing, augmentation graph, sheet."""

    TYPE_NAME = "Preprocessing"


class Features(Artifact):
    """Feature vectors of a frozen backbone, TFRecords in one folder a split."""

    TYPE_NAME = "Features"
    TYPE_ANNOTATION = Dataset


class Predictions(Artifact):
    """What a model said of each test example: `predictions.parquet`."""

    TYPE_NAME = "Predictions"
    TYPE_ANNOTATION = Dataset


class Registration(Artifact):
    """Where a model stands in a registry: `registration.json`."""

    TYPE_NAME = "Registration"
