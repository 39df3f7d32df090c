import json
import os

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma
import tiny_evaluator as tiny
from tfx.dsl.components.base import base_beam_executor
from tfx.types import standard_artifacts

from components.artifacts import Predictions
from components.errors import EvaluationError
from components.evaluator.executor import Executor
from components.evaluator.metrics import METRICS
from components.evaluator.predictions import predict
from components.evaluator.tfma_files import BASELINE, CANDIDATE
from components.progress import read_progress

NAMES = ["blue", "green", "red"]
THRESHOLDS = {"accuracy": {"at_least": 0.5, "no_worse_than_blessed_by": 0.05}}


def evaluate(
    tmp_path,
    records,
    model,
    baseline=None,
    thresholds=THRESHOLDS,
    slices=("label",),
    columns=(),
    **asked,
):
    """Runs the executor; returns the output artifacts by key."""
    examples = tiny.examples_artifact(tmp_path / "examples", records)
    # Read back from the store, a number in a JSON value is a float.
    examples.set_json_value_custom_property("counts", {"test": float(len(records))})
    examples.set_json_value_custom_property("columns", list(columns))
    facts = tiny.facts_artifact(tmp_path / "facts", records)
    inputs = {"examples": [examples], "facts": [facts], "model": [model], "baseline_model": []}
    if baseline:
        inputs["baseline_model"] = [baseline]
    outputs = {
        key: tiny.output(type_, tmp_path / "out" / key)
        for key, type_ in (
            ("evaluation", standard_artifacts.ModelEvaluation),
            ("blessing", standard_artifacts.ModelBlessing),
            ("predictions", Predictions),
        )
    }
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=["--runner=FnApiRunner"], tmp_dir=str(tmp_path / "tmp"), unique_id="1"
    )
    Executor(context).Do(
        inputs,
        {key: [artifact] for key, artifact in outputs.items()},
        {
            "evaluate": json.dumps(
                {
                    "thresholds": thresholds,
                    "slices": list(slices),
                    "slice_thresholds": {},
                    "min_images": 5,
                    "on_tie": "push",
                    "may_lose_classes": False,
                    "robustness": None,
                    **asked,
                }
            ),
            "seed": 0,
        },
    )
    return outputs


def read(artifact, name):
    with open(os.path.join(artifact.uri, name), encoding="utf-8") as f:
        return json.load(f)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A good candidate beside a worse blessed model with another order of labels."""
    folder = tmp_path_factory.mktemp("evaluated")
    model = tiny.model_artifact(folder / "model", tiny.ColourModel(NAMES), id=7)
    worse = tiny.ColourModel(NAMES[::-1], bias=4.0)
    baseline = tiny.model_artifact(folder / "baseline", worse, id=3)
    return evaluate(folder, tiny.test_split(90), model, baseline, slices=["label", "site"])


def test_predictions_hold_what_the_model_said_of_each_picture(evaluated):
    table = pq.read_table(os.path.join(evaluated["predictions"].uri, "predictions.parquet"))
    rows = table.to_pylist()
    assert len(rows) == 90
    assert list(rows[0]) == [
        "id", "path", "label", "predicted", "score", "probabilities", "group", "column/site",
    ]  # fmt: skip
    assert read(evaluated["predictions"], "labels.json") == NAMES
    for row in rows:
        assert row["path"].startswith(row["label"] + "/")
        best = int(np.argmax(row["probabilities"]))
        assert (row["predicted"], row["score"]) == (NAMES[best], row["probabilities"][best])
    assert {row["column/site"] for row in rows} == {"a", "b"}


def test_predictions_are_those_of_the_original_pictures(evaluated, tmp_path):
    model = tf.saved_model.load(tiny.save(tiny.ColourModel(NAMES), tmp_path / "m"))
    by_id = {
        row["id"]: row["probabilities"]
        for row in pq.read_table(
            os.path.join(evaluated["predictions"].uri, "predictions.parquet")
        ).to_pylist()
    }
    for record in tiny.test_split(90)[:5]:
        features = tf.train.Example.FromString(record).features.feature
        image = features["image"].bytes_list.value[0]
        said = model.signatures["serving_default"](image_bytes=tf.constant([image]))
        id_ = features["id"].bytes_list.value[0].decode()
        np.testing.assert_allclose(said["probabilities"][0], by_id[id_], atol=1e-6)


def test_tfma_agrees(evaluated):
    metrics = read(evaluated["evaluation"], "metrics.json")
    uri = evaluated["evaluation"].uri
    for model, ours in ((CANDIDATE, metrics["overall"]), (BASELINE, metrics["baseline"])):
        result = tfma.load_eval_result(uri, model_name=model)
        theirs = {slice_: values[""][""] for slice_, values in result.slicing_metrics}
        for name in ("accuracy", "top_3_accuracy", "log_loss"):
            value = theirs[()][name]["doubleValue"]
            assert value == pytest.approx(ours[name], abs=1e-6)
        if model == CANDIDATE:
            for site, values in metrics["slices"]["site"].items():
                found = theirs[(("site", site),)]
                assert found["accuracy"]["doubleValue"] == pytest.approx(values["accuracy"], 1e-6)
                assert found["example_count"]["doubleValue"] == values["images"]
            matrices = theirs[()]["multi_class_confusion_matrix_at_thresholds"]
            counts = np.zeros((3, 3))
            (matrix,) = matrices["multiClassConfusionMatrixAtThresholds"]["matrices"]
            for entry in matrix["entries"]:
                at = entry.get("actualClassId", 0), entry.get("predictedClassId", 0)
                counts[at] = entry["numWeightedExamples"]
            assert counts.tolist() == metrics["confusion"]["counts"]


def test_a_good_model_is_blessed_as_tfx_would(evaluated):
    blessing = evaluated["blessing"]
    assert os.listdir(blessing.uri).count("BLESSED") == 1
    assert blessing.get_int_custom_property("blessed") == 1
    assert blessing.get_int_custom_property("current_model_id") == 7
    assert blessing.get_int_custom_property("baseline_model_id") == 3
    assert blessing.get_string_custom_property("current_model").endswith("/model")
    said = read(blessing, "blessing.json")
    assert said["blessed"] is True
    assert "above the blessed model's" in said["reasons"][1]
    assert {check["state"] for check in said["checks"]} == {"passed"}


def test_the_evaluation_tells_the_summary_what_it_needs(evaluated):
    evaluation = evaluated["evaluation"]
    overall = read(evaluation, "metrics.json")["overall"]
    assert evaluation.get_json_value_custom_property("metrics") == overall
    assert set(overall) == set(METRICS)
    assert evaluation.get_int_custom_property("images") == 90


def test_a_worse_model_is_refused_with_the_reason(tmp_path):
    worse = tiny.model_artifact(tmp_path / "model", tiny.ColourModel(NAMES, bias=4.0), id=8)
    better = tiny.model_artifact(tmp_path / "baseline", tiny.ColourModel(NAMES), id=7)
    outputs = evaluate(tmp_path, tiny.test_split(60), worse, better)
    blessing = outputs["blessing"]
    assert blessing.get_int_custom_property("blessed") == 0
    assert "NOT_BLESSED" in os.listdir(blessing.uri)
    assert "BLESSED" not in os.listdir(blessing.uri)
    said = read(blessing, "blessing.json")
    assert said["blessed"] is False
    assert "below the blessed model's" in said["reasons"][0]
    assert said["reasons"][0].endswith("at most 0.050 is allowed")


def test_the_first_model_needs_no_baseline(tmp_path):
    model = tiny.model_artifact(tmp_path / "model", tiny.ColourModel(NAMES))
    # What a killed execution left behind must not speak for this one.
    tiny.output(standard_artifacts.ModelBlessing, tmp_path / "out" / "blessing")
    (tmp_path / "out" / "blessing" / "NOT_BLESSED").touch()
    outputs = evaluate(tmp_path, tiny.test_split(20), model)
    said = read(outputs["blessing"], "blessing.json")
    assert said["blessed"]
    assert "there is no blessed model yet" in said["reasons"][1]
    assert sorted(os.listdir(outputs["blessing"].uri)) == ["BLESSED", "blessing.json"]
    assert read(outputs["evaluation"], "metrics.json")["baseline"] is None


class Diverged(tiny.ColourModel):
    """Knows nothing of some pictures."""

    def _probabilities(self, image_bytes):
        found = super()._probabilities(image_bytes)
        return tf.where(found[:, :1] > 0.5, np.nan, found)


def test_a_model_that_gives_no_numbers_is_not_evaluated(tmp_path):
    model = tiny.model_artifact(tmp_path / "model", Diverged(NAMES))
    with pytest.raises(EvaluationError, match=r"of 60 test .* not finite .* lower learning_rate"):
        evaluate(tmp_path, tiny.test_split(60), model, thresholds={"accuracy": {"at_least": 0.0}})


def test_a_blessed_model_that_gives_no_numbers_counts_as_none(tmp_path):
    model = tiny.model_artifact(tmp_path / "model", tiny.ColourModel(NAMES), id=8)
    baseline = tiny.model_artifact(tmp_path / "baseline", Diverged(NAMES), id=7)
    outputs = evaluate(tmp_path, tiny.test_split(60), model, baseline)
    said = read(outputs["blessing"], "blessing.json")
    assert said["blessed"]
    assert said["reasons"][1] == (
        "accuracy has nothing to be compared with: "
        "the blessed model's own probabilities are not finite (NaN or infinite)"
    )
    assert read(outputs["evaluation"], "metrics.json")["baseline"] is None
    assert not outputs["blessing"].has_custom_property("baseline_model_id")


def test_a_slice_by_a_column_in_which_no_test_image_has_a_value_has_one_empty_value(tmp_path):
    model = tiny.model_artifact(tmp_path / "model", tiny.ColourModel(NAMES))
    records = [tiny.example(tiny.picture(tiny.COLOURS["red"], i), "red", i) for i in range(5)]
    outputs = evaluate(tmp_path, records, model, slices=["site"], columns=["site"])
    slices = read(outputs["evaluation"], "metrics.json")["slices"]
    assert slices["site"][""]["images"] == 5
    result = tfma.load_eval_result(outputs["evaluation"].uri)
    assert (("site", ""),) in [slice_ for slice_, _ in result.slicing_metrics]
    with pytest.raises(EvaluationError, match="no column 'sight'; did you mean 'site'"):
        evaluate(tmp_path, records, model, slices=["sight"], columns=["site"])


class Forgetful(tiny.ColourModel):
    """Takes all red for blue."""

    def _probabilities(self, image_bytes):
        found = super()._probabilities(image_bytes)
        return tf.stack([found[:, 0] + found[:, 2], found[:, 1], tf.zeros_like(found[:, 2])], -1)


def test_a_slice_that_got_worse_refuses_the_model_and_is_named(tmp_path):
    """One class is forgotten; the others make up for it."""
    records = tiny.test_split(120)
    good = tiny.model_artifact(tmp_path / "baseline", tiny.ColourModel(NAMES), id=7)
    forgetful = Forgetful(NAMES)
    model = tiny.model_artifact(tmp_path / "model", forgetful, id=8)
    outputs = evaluate(
        tmp_path,
        records,
        model,
        good,
        thresholds={"accuracy": {"at_least": 0.3}},
        slice_thresholds={"label": {"accuracy": {"no_worse_than_blessed_by": 0.1}}},
    )
    said = read(outputs["blessing"], "blessing.json")
    assert not said["blessed"]
    failed = [check["sentence"] for check in said["checks"] if check["state"] == "failed"]
    assert len(failed) == 1
    assert failed[0].startswith("label red: accuracy 0.000 is ")
    assert failed[0].endswith("below the blessed model's 1.000; at most 0.100 is allowed")


def test_pictures_are_sliced_by_size_and_damaged_where_that_is_asked_for(tmp_path):
    model = tiny.model_artifact(tmp_path / "model", tiny.ColourModel(NAMES))
    robustness = {
        "corruptions": ["blur", "noise"],
        "severity": 2,
        "max_images": 10,
        "thresholds": {"log_loss": {"at_most": 0.0}},
    }
    outputs = evaluate(
        tmp_path,
        tiny.test_split(20),
        model,
        slices=["picture_size"],
        thresholds={"accuracy": {"at_least": 0.0}},
        robustness=robustness,
    )
    metrics = read(outputs["evaluation"], "metrics.json")
    assert metrics["slices"]["picture_size"]["0000 to 0063"]["images"] == 20
    assert metrics["robustness"]["images"] == 10
    assert len(metrics["robustness"]["corruptions"]["noise"]) == 5
    said = read(outputs["blessing"], "blessing.json")
    assert not said["blessed"]
    assert said["reasons"][0].startswith("blur up to severity 2: log_loss ")


def test_progress_is_of_whole_images(evaluated):
    folder = os.path.dirname(os.path.dirname(evaluated["evaluation"].uri))
    assert read_progress(os.path.join(folder, "tmp", "1"))["total"] == 90


def test_a_model_that_cannot_be_loaded_is_named(tmp_path):
    records = tiny.test_split(4)
    tiny.write_records(tmp_path, records)
    file = str(tmp_path / "Split-test" / "data_tfrecord-00000-of-00002.gz")
    with pytest.raises(EvaluationError, match="nowhere: cannot be loaded"):
        predict([file], [str(tmp_path / "nowhere")])
    served_only = tiny.save(
        tiny.ColourModel(NAMES), tmp_path / "served", signatures=["serving_default"]
    )
    with pytest.raises(EvaluationError, match="no signature serving_examples"):
        predict([file], [served_only])


def test_a_picture_that_the_model_cannot_read_is_named(tmp_path):
    records = [*tiny.test_split(4), tiny.example(b"no picture", "red", 99)]
    tiny.write_records(tmp_path, records, shards=1)
    model = tiny.save(tiny.ColourModel(NAMES), tmp_path / "model")
    file = str(tmp_path / "Split-test" / "data_tfrecord-00000-of-00001.gz")
    with pytest.raises(EvaluationError, match="red/99.png: the model cannot read this picture"):
        predict([file], [model])


def test_rows_that_lack_a_column_have_it_empty(tmp_path):
    image = tiny.picture((200, 0, 0), 1)
    records = [
        tiny.example(image, "red", 0),
        tiny.example(image, "red", 1, site="a"),
        tiny.example(image, "red", 2),
    ]
    tiny.write_records(tmp_path, records, shards=1)
    model = tiny.save(tiny.ColourModel(NAMES), tmp_path / "model")
    file = str(tmp_path / "Split-test" / "data_tfrecord-00000-of-00001.gz")
    rows, _ = predict([file], [model])
    assert rows.columns == {"site": ["", "a", ""]}
