"""Runs the backbone on Beam over what a head-only training reads, a file and a view at a time."""

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import tensorflow as tf
from apache_beam.utils.shared import Shared
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils

from components.beam_units import OnUnit, run_units
from components.feature_extractor.extract import Extractor
from components.files import empty
from components.progress import Progress
from components.trainer.records import load_preprocessing, record_files


class Executor(base_beam_executor.BaseBeamExecutor):
    """See component.py for inputs, outputs and properties."""

    def Do(self, input_dict: dict, output_dict: dict, exec_properties: dict[str, Any]) -> None:
        """Writes `Split-train` and `Split-eval`.

        Raises:
          BackboneError: the handle leads to no module of images.
        """
        folder = artifact_utils.get_single_uri(input_dict["preprocessing"])
        augmented = load_preprocessing(folder).augmented
        train = input_dict["transformed_examples" if augmented else "examples"]
        features = artifact_utils.get_single_instance(output_dict["features"])
        empty(features.uri)
        for split in ("train", "eval"):
            tf.io.gfile.makedirs(os.path.join(features.uri, f"Split-{split}"))

        views = list(range(exec_properties["views"])) if augmented else [None]
        units = [
            *_units(train, "train", views, features.uri),
            *_units(input_dict["examples"], "eval", [None], features.uri),
        ]
        total = _total(input_dict["examples"], len(views))
        progress = Progress(self._get_tmp_dir(), "images", total)
        work = _Extract(self._get_tmp_dir(), exec_properties["handle"], folder, progress)
        found = run_units(self._make_beam_pipeline(), units, work)
        images = sum(count for unit, count in zip(units, found, strict=True) if not unit.view)
        features.set_int_custom_property("images", images)
        features.set_int_custom_property("views", len(views))


class _Unit(NamedTuple):
    """One file of pictures, which view of them, and where its feature vectors go."""

    source: str
    view: int | None
    """None as they would be served."""
    target: str


def _units(
    examples: list[Any], split: str, views: list[int] | list[None], uri: str
) -> Iterator[_Unit]:
    sources = [file for artifact in examples for file in record_files(artifact.uri, split)]
    for view in views:
        for number, source in enumerate(sources):
            name = f"view_{view or 0:02d}-{number:05d}-of-{len(sources):05d}.gz"
            yield _Unit(source, view, os.path.join(uri, f"Split-{split}", name))


def _total(examples: list[Any], views: int) -> int | None:
    """Runs of the backbone, as far as ImageExampleGen has said how many pictures there are."""
    counts = [artifact.get_json_value_custom_property("counts") for artifact in examples]
    if not all(counts):
        return None
    return sum(int(one["train"]) * views + int(one["eval"]) for one in counts)


class _Extract(OnUnit):
    """Writes the feature vectors of one unit; gives how many pictures there were."""

    def __init__(self, folder: str, handle: str, preprocessing: str, progress: Progress):
        super().__init__(folder)
        self._handle, self._preprocessing, self._progress = handle, preprocessing, progress
        # However many instances a worker process makes of this, it loads one backbone: TensorFlow
        # itself uses the cores.
        self._shared = Shared()

    def setup(self) -> None:
        load = lambda: Extractor(self._handle, load_preprocessing(self._preprocessing))
        self._extractor = self._shared.acquire(load)

    def on_unit(self, number: int, unit: _Unit) -> int:
        return self._extractor.extract(unit.source, unit.target, unit.view, self._progress.add)
