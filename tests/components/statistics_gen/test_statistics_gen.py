import os

import tensorflow_data_validation as tfdv
from tfx.components.util import examples_utils
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_artifacts

from components.image_example_gen.writer import SplitWriter, example
from components.statistics_gen.executor import MEASURED, Executor


def test_what_differs_from_picture_to_picture_is_left_out_and_columns_are_not(tmp_path):
    facts, statistics = standard_artifacts.Examples(), standard_artifacts.ExampleStatistics()
    facts.uri, statistics.uri = str(tmp_path / "facts"), str(tmp_path / "statistics")
    facts.split_names = artifact_utils.encode_split_names(["train", "test"])
    examples_utils.set_payload_format(facts, example_gen_pb2.FORMAT_TF_EXAMPLE)
    examples_utils.set_file_format(facts, "tfrecords_gzip")
    facts.set_json_value_custom_property("columns", ["site", "unused"])
    with SplitWriter(facts.uri, 0, 1) as writer:
        for i in range(20):
            own = {name: f"{name} {i}".encode() for name in ("id", "path", "group")}
            split = "train" if i % 4 else "test"
            texts = {"label": b"cat" if i % 2 else b"dog", "split": split.encode()}
            numbers = {"width": 30 + i, "height": 20, "channels": 3, "bytes": 1000 + i}
            values = {**own, **texts, **numbers, "format": b"JPEG", "column/site": b"north"}
            writer.write(split, example(values))

    context = Executor.Context(
        beam_pipeline_args=["--runner=FnApiRunner"], tmp_dir=str(tmp_path / "tmp"), unique_id="1"
    )
    given = {"stats_options_json": tfdv.StatsOptions(num_top_values=7).to_json()}
    Executor(context).Do({"examples": [facts]}, {"statistics": [statistics]}, given)

    found = {
        split: tfdv.load_stats_binary(
            os.path.join(statistics.uri, f"Split-{split}", "FeatureStats.pb")
        ).datasets[0]
        for split in ("train", "test")
    }
    assert {name: data.num_examples for name, data in found.items()} == {"train": 15, "test": 5}
    for data in found.values():
        names = {feature.path.step[0] for feature in data.features}
        assert names == {*MEASURED, "column/site"}
    (width,) = [f for f in found["train"].features if f.path.step[0] == "width"]
    assert width.num_stats.max == 49
