"""Stores the train split on Beam, file by file; then vocabulary, graph and contact sheet."""

import collections
import json
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import tensorflow as tf
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from components.beam_units import OnUnit, run_units
from components.files import empty, split_files, write_json
from components.image_transform.augmentation import export_augmentation
from components.image_transform.contact_sheet import Row, draw_contact_sheet
from components.image_transform.decoding import decode
from components.image_transform.explaining import explain_view
from components.image_transform.policies import changes_pictures, check_policy
from components.image_transform.preprocessing import Frame
from components.image_transform.storing import Stored, count_labels, read_stored, store
from components.image_transform.vocabulary import vocabulary
from components.progress import Progress

SHEET_ROWS = 6
SHEET_VIEWS = 5

_SPLITS = ("train", "eval", "test")


class Executor(base_beam_executor.BaseBeamExecutor):
    """See component.py for inputs, outputs and properties."""

    def Do(self, input_dict: dict, output_dict: dict, exec_properties: dict[str, Any]) -> None:
        """Writes both outputs.

        Raises:
          ConfigError: the policy is not sound.
          DataError: see `vocabulary`; or a picture cannot be decoded.
        """
        settings = {**exec_properties}
        for name in ("frame", "augment"):
            settings[name] = json.loads(settings[name])
        frame = Frame(**settings["frame"])
        policy = check_policy(settings["augment"])
        transformed = artifact_utils.get_single_instance(output_dict["transformed_examples"])
        preprocessing = artifact_utils.get_single_instance(output_dict["preprocessing"])
        for artifact in (transformed, preprocessing):
            empty(artifact.uri)
        folder = os.path.join(transformed.uri, "Split-train")
        tf.io.gfile.makedirs(folder)

        stored, counts = self._store(input_dict["examples"], folder, settings["stored_side"])
        labels = vocabulary(counts)

        write_json(preprocessing.uri, "labels.json", labels)
        kept = ("augment", "seed", "stored_side")
        facts = {**frame._asdict(), **{name: settings[name] for name in kept}}
        write_json(preprocessing.uri, "preprocessing.json", facts)
        export_augmentation(
            os.path.join(preprocessing.uri, "augmentation"),
            policy,
            frame,
            settings["seed"],
        )
        _draw_sheet(preprocessing.uri, labels, stored, frame, settings)

        transformed.split_names = artifact_utils.encode_split_names(["train"])
        examples_utils.set_payload_format(transformed, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(transformed, "tfrecords_gzip")
        transformed.set_int_custom_property("images", sum(counts["train"].values()))

    def _store(
        self, examples: list[Any], folder: str, stored_side: int
    ) -> tuple[dict[str, Stored], dict[str, collections.Counter[str]]]:
        """Stores the train split and counts the labels of all.

        Returns:
          What was stored, by file; pictures by split and label.
        """
        units = list(_units([artifact.uri for artifact in examples], folder))
        progress = Progress(self._get_tmp_dir(), "images", _train_images(examples))
        work = _Store(self._get_tmp_dir(), stored_side, progress)
        results = run_units(self._make_beam_pipeline(), units, work)
        stored, counts = {}, {split: collections.Counter[str]() for split in _SPLITS}
        for unit, result in zip(units, results, strict=True):
            found = Stored(**result)
            counts[unit.split].update(found.labels)
            if unit.target:
                stored[unit.target] = found
        return stored, counts


class _Unit(NamedTuple):
    """One file of raw Examples, and where its pictures are stored, if they are."""

    split: str
    source: str
    target: str | None


def _units(uris: list[str], folder: str) -> Iterator[_Unit]:
    for split in _SPLITS:
        folders = [os.path.join(uri, f"Split-{split}") for uri in uris]
        sources = [source for place in folders for source in split_files(place)]
        for number, source in enumerate(sources):
            name = f"data_tfrecord-{number:05d}-of-{len(sources):05d}.gz"
            yield _Unit(split, source, os.path.join(folder, name) if split == "train" else None)


def _train_images(examples: list[Any]) -> int | None:
    """How many there are, as far as ImageExampleGen has said it."""
    counts = [artifact.get_json_value_custom_property("counts") for artifact in examples]
    return sum(int(one["train"]) for one in counts) if all(counts) else None


class _Store(OnUnit):
    """Stores the pictures of one file, or only counts their labels."""

    def __init__(self, folder: str, stored_side: int, progress: Progress):
        super().__init__(folder)
        self._stored_side, self._progress = stored_side, progress

    def on_unit(self, number: int, unit: _Unit) -> dict[str, Any]:
        if unit.target:
            found = store(unit.source, unit.target, self._stored_side, self._progress.add)
        else:
            found = Stored(count_labels(unit.source), {})
        return found._asdict()


def _draw_sheet(
    folder: str,
    labels: list[str],
    stored: dict[str, Stored],
    frame: Frame,
    settings: dict[str, Any],
) -> None:
    """Shows labels evenly spread over the vocabulary, of each the picture with the smallest id, its
    views and what each op drew for them."""
    augment, seed = settings["augment"], settings["seed"]
    step = max(1, len(labels) / SHEET_ROWS)
    shown = [labels[int(i * step)] for i in range(min(SHEET_ROWS, len(labels)))]
    views = list(range(SHEET_VIEWS if changes_pictures(augment) else 1))
    graph = tf.saved_model.load(os.path.join(folder, "augmentation"))
    ids = {
        label: min(one.first[label] for one in stored.values() if label in one.first)
        for label in shown
    }
    examples: dict[str, dict[str, bytes]] = {}
    for file, one in stored.items():
        if wanted := set(ids.values()) & set(one.first.values()):
            examples |= read_stored(file, wanted)
    rows, facts = [], []
    for label, id in ids.items():
        original = decode(tf.constant(examples[id]["image"]))
        drawn = [graph.augment(original, tf.constant(id), tf.constant(v, tf.int64)) for v in views]
        lines = [explain_view(augment, frame, seed, original, id, v) for v in views]
        rows.append(Row(label, original.numpy(), [view.numpy() for view in drawn], lines))
        path = examples[id]["path"].decode(errors="replace")
        facts.append({"label": label, "path": path, "id": id, "views": views, "drawn": lines})
    name = augment if isinstance(augment, str) else ", ".join(one["op"] for one in augment)
    title = f"Augmentation: {name or 'none'}"
    with tf.io.gfile.GFile(os.path.join(folder, "contact_sheet.png"), "wb") as file:
        file.write(draw_contact_sheet(title, rows))
    write_json(folder, "contact_sheet.json", facts)
