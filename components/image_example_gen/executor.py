"""Runs the work over all units on Beam, then sums up: counts, rejects, fingerprint."""

import collections
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from components.beam_units import OnUnit, run_units
from components.errors import DataError
from components.files import empty
from components.image_example_gen import work
from components.image_example_gen.grouping import Grouping, Seen, join
from components.image_example_gen.listing import SPLITS, Entry, Reject
from components.image_example_gen.pictures import FOREIGN
from components.image_example_gen.reading import units
from components.image_example_gen.sources import (
    Listing,
    check_counts,
    check_listing,
    check_rejects,
    group_column,
    list_source,
    resolve_span,
)
from components.image_example_gen.writer import SplitWriter
from components.progress import Progress


class Executor(base_beam_executor.BaseBeamExecutor):
    """See component.py for outputs and properties."""

    def Do(self, input_dict: dict, output_dict: dict, exec_properties: dict[str, Any]) -> None:
        """Reads, checks and writes all pictures.

        Raises:
          DataError: see `check_listing`, `join`; or too many inputs turn out to be unusable.
        """
        examples, facts, rejects = (
            artifact_utils.get_single_instance(output_dict[key])
            for key in ("examples", "facts", "rejects")
        )
        for artifact in (examples, facts, rejects):
            empty(artifact.uri)
        self._tmp = self._get_tmp_dir()
        settings = exec_properties
        span, version = settings.get("span"), settings.get("version")
        listing = list_source(resolve_span(settings["source"], span, version).source)
        # TFX removes the outputs of a failed node; a file beside them stays.
        kept = os.path.join(os.path.dirname(rejects.uri), "last_failure.jsonl")
        _limit(listing.rejects, len(listing.entries), listing, settings, kept)
        check_listing(listing, settings["group_by"], settings["min_per_class"])
        settings = settings | {"group_by": group_column(settings["group_by"], listing.columns)}

        pieces = list(units(listing.entries))
        grouping = self._group(pieces, listing, settings)
        progress = Progress(self._tmp, "images", len(listing.entries))
        write = _Write(
            self._tmp, len(pieces), examples.uri, facts.uri, grouping, settings, progress
        )
        results = run_units(self._make_beam_pipeline(), pieces, write)
        written = [work.Written(*row) for rows, _ in results for row in rows]
        found = [Reject(*row) for _, rows in results for row in rows]
        refused = sorted([*listing.rejects, *found])

        _write_rejects(os.path.join(rejects.uri, "rejects.jsonl"), refused)
        _limit(refused, len(written), listing, settings, kept)
        _check(written, len(refused), listing, settings)
        _describe(examples, facts, written, len(refused), listing.columns)
        rejects.set_int_custom_property("rejected", len(refused))

    def _group(
        self, pieces: list[list[Entry]], listing: Listing, settings: dict[str, Any]
    ) -> Grouping:
        """Who shares a split. By content alone each picture answers for itself; otherwise its
        twins must be known first, which costs a reading of its own."""
        shares = json.loads(settings["split"])
        if settings["group_by"] == "content" and not any(e.split for e in listing.entries):
            return Grouping(shares)
        look = _Look(self._tmp, settings["group_by"], settings["max_pixels"])
        found = run_units(self._make_beam_pipeline(), pieces, look)
        return join((Seen(*row) for rows in found for row in rows), shares)


class _Look(OnUnit):
    """Which pictures are identical."""

    def __init__(self, folder: str, group_by: str, max_pixels: int):
        super().__init__(folder)
        self._settings = group_by, max_pixels

    def on_unit(self, number: int, unit: list[Entry]) -> Any:
        return list(work.look(unit, *self._settings))


class _Write(OnUnit):
    """One shard of every split."""

    def __init__(
        self,
        folder: str,
        shards: int,
        examples: str,
        facts: str,
        grouping: Grouping,
        settings: dict[str, Any],
        progress: Progress,
    ):
        super().__init__(folder)
        self._shards, self._examples, self._facts = shards, examples, facts
        self._grouping, self._progress = grouping, progress
        self._group_by, self._max_pixels = settings["group_by"], settings["max_pixels"]

    def on_unit(self, number: int, unit: list[Entry]) -> Any:
        with (
            SplitWriter(self._examples, number, self._shards) as examples,
            SplitWriter(self._facts, number, self._shards) as facts,
        ):
            return work.write(
                unit,
                examples,
                facts,
                self._grouping,
                self._group_by,
                self._max_pixels,
                self._progress.add,
            )


def _limit(
    refused: Sequence[Reject], used: int, listing: Listing, settings: dict[str, Any], kept: str
) -> None:
    """Raises DataError if too many inputs are unusable, and then leaves all of them in `kept`."""
    try:
        check_rejects(refused, used, settings["max_rejected"], listing.source, kept)
    except DataError:
        _write_rejects(kept, refused)
        raise


def _check(
    written: list[work.Written], refused: int, listing: Listing, settings: dict[str, Any]
) -> None:
    """Raises DataError if what is left cannot be learnt from."""
    labels = collections.Counter(row.label for row in written)
    notes = [f"{refused} inputs were rejected"] if refused else []
    counts = {label: labels[label] for label in listing.classes}
    check_counts(counts, settings["min_per_class"], listing.source, notes)
    splits = collections.Counter(row.split for row in written)
    for split in ("train", "test"):
        if not splits[split]:
            fallen = ", ".join(f"{name} {count}" for name, count in sorted(splits.items()))
            raise DataError(
                f"{listing.source}: no picture falls into the split {split!r} ({fallen}); "
                "give more groups of pictures, or other shares in data.split"
            )


def _describe(
    examples: Any, facts: Any, written: list[work.Written], rejected: int, columns: Sequence[str]
) -> None:
    splits = collections.Counter(row.split for row in written)
    counts = {split: splits[split] for split in SPLITS}
    rows = "".join("\0".join(row[:4]) + "\n" for row in sorted(written))
    formats = collections.Counter(row.format for row in written)
    for artifact in (examples, facts):
        artifact.split_names = artifact_utils.encode_split_names(list(SPLITS))
        examples_utils.set_payload_format(artifact, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(artifact, "tfrecords_gzip")
        artifact.set_int_custom_property("images", len(written))
        artifact.set_json_value_custom_property("counts", {**counts, "rejected": rejected})
        # Examples leave out empty values, so a split need not have every column.
        artifact.set_json_value_custom_property("columns", list(columns))
        artifact.set_json_value_custom_property("notes", list(_notes(formats)))
        artifact.set_string_custom_property(
            "data_fingerprint", hashlib.sha256(rows.encode()).hexdigest()
        )


def _notes(formats: Mapping[str, int]) -> Iterator[str]:
    """What a user of the model should know of its data, a sentence each."""
    converted = {kind: formats[kind] for kind in FOREIGN if formats.get(kind)}
    if converted:
        which = " and ".join(f"{count:,} {kind}" for kind, count in converted.items())
        yield (
            f"{which} pictures were stored as PNG; the served model reads JPEG, PNG, GIF and BMP, "
            "so convert others before you ask it, as `graft predict` does"
        )


def _write_rejects(path: str, rejects: Iterable[Reject]) -> None:
    with tf.io.gfile.GFile(path, "w") as file:
        for reject in rejects:
            file.write(json.dumps(reject._asdict(), ensure_ascii=False) + "\n")
