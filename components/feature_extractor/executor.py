"""Loads the backbone, and runs it over the splits that training reads."""

import os
from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.backbone.backbone import load_backbone
from components.feature_extractor.extract import extract
from components.progress import Progress
from components.trainer.records import load_preprocessing, record_files


class Executor(base_executor.BaseExecutor):
    """See component.py for inputs, outputs and properties.

    No Beam: TensorFlow keeps every core of one machine busy, and a backbone is no thing to pickle.
    """

    def Do(self, input_dict: dict, output_dict: dict, exec_properties: dict[str, Any]) -> None:
        """Writes `Split-train` and `Split-eval`."""
        examples = input_dict["examples"]
        preprocessing = load_preprocessing(
            artifact_utils.get_single_uri(input_dict["preprocessing"])
        )
        backbone = load_backbone(exec_properties["handle"], batch_norm="inference")
        features = artifact_utils.get_single_instance(output_dict["features"])
        progress = Progress(self._get_tmp_dir(), "images")
        images = 0
        for split in ("train", "eval"):
            files = [f for artifact in examples for f in record_files(artifact.uri, split)]
            folder = os.path.join(features.uri, f"Split-{split}")
            images += extract(files, preprocessing, backbone, folder, progress.add)
        features.set_int_custom_property("images", images)
