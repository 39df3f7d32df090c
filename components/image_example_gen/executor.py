"""Runs the work over all units on Beam, then sums up: counts, rejects, fingerprint."""

import collections
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from components.beam_units import OnUnit, run_units
from components.errors import DataError
from components.files import empty
from components.image_example_gen import findings, work
from components.image_example_gen.findings import Placed
from components.image_example_gen.grouping import Earlier, Seen, group_key, join
from components.image_example_gen.history import read_history, write_contents, write_history
from components.image_example_gen.listing import SPLITS, Entry, Reject
from components.image_example_gen.reading import units
from components.image_example_gen.sources import (
    Listing,
    check_counts,
    check_listing,
    check_rejects,
    group_column,
    list_spans,
    resolve_spans,
)
from components.image_example_gen.writer import SplitWriter
from components.progress import Progress


class Executor(base_beam_executor.BaseBeamExecutor):
    """See component.py for outputs and properties."""

    def Do(self, input_dict: dict, output_dict: dict, exec_properties: dict[str, Any]) -> None:
        """Reads and checks all pictures, decides their places, then writes them.

        Raises:
          DataError: see `check_listing`, `join`; or too many inputs turn out to be unusable.
        """
        examples, facts, rejects = (
            artifact_utils.get_single_instance(output_dict[key])
            for key in ("examples", "facts", "rejects")
        )
        for artifact in (examples, facts, rejects):
            empty(artifact.uri)
        settings = exec_properties
        # What the driver could not read, it left to be met here.
        window = json.loads(settings["window"]) or None
        listing = list_spans(resolve_spans(settings["source"], settings["spans"], window))
        # TFX removes the outputs of a failed node; a file beside them stays.
        kept = os.path.join(os.path.dirname(rejects.uri), "last_failure.jsonl")
        _limit(listing.rejects, len(listing.entries), listing, settings, kept)
        check_listing(listing, settings["group_by"], settings["min_per_class"])

        found, refused = self._check(listing.entries, settings)
        refused = sorted([*listing.rejects, *refused])
        _write_rejects(os.path.join(rejects.uri, "rejects.jsonl"), refused)
        _limit(refused, len(found), listing, settings, kept)
        rejects.set_int_custom_property("rejected", len(refused))

        history = read_history(settings["history"])
        places, crowd = _place(found, history, listing, settings)
        _check_places(places, len(refused), crowd, listing, settings)
        self._write(places, examples.uri, facts.uri)
        write_history(facts.uri, places, history)
        write_contents(facts.uri, places)
        notes = [*crowd, *_notes(places, settings["near_copies"])]
        _describe(examples, facts, places, len(refused), listing, notes)

    def _check(
        self, entries: Sequence[Entry], settings: dict[str, Any]
    ) -> tuple[list[tuple[Entry, work.Found]], list[Reject]]:
        """The pictures that can be used, in the order of the entries, and the others."""
        pieces = list(units(entries))
        progress = Progress(self._get_tmp_dir(), "images", len(entries))
        marked = settings["near_copies"] >= 0
        check = _Check(self._get_tmp_dir(), settings["max_pixels"], marked, progress)
        results = run_units(self._make_beam_pipeline(), pieces, check)
        found, refused = [], []
        for piece, result in zip(pieces, results, strict=True):
            for entry, said in zip(piece, result, strict=True):
                if isinstance(said, str):
                    refused.append(Reject(entry.path, said))
                else:
                    found.append((entry, work.Found(*said)))
        return found, refused

    def _write(self, places: list[work.Place], examples: str, facts: str) -> None:
        by_id = {place.entry.id: place for place in places}
        pieces = [[by_id[e.id] for e in piece] for piece in units([p.entry for p in places])]
        write = _Write(self._get_tmp_dir(), len(pieces), examples, facts)
        run_units(self._make_beam_pipeline(), pieces, write)


class _Check(OnUnit):
    """Reads and decodes every picture."""

    def __init__(self, folder: str, max_pixels: int, marked: bool, progress: Progress):
        super().__init__(folder)
        self._max_pixels, self._marked, self._progress = max_pixels, marked, progress

    def on_unit(self, number: int, unit: list[Entry]) -> Any:
        return list(work.check(unit, self._max_pixels, self._marked, self._progress.add))


class _Write(OnUnit):
    """One shard of every split."""

    def __init__(self, folder: str, shards: int, examples: str, facts: str):
        super().__init__(folder)
        self._shards, self._examples, self._facts = shards, examples, facts

    def on_unit(self, number: int, unit: list[work.Place]) -> Any:
        with (
            SplitWriter(self._examples, number, self._shards) as examples,
            SplitWriter(self._facts, number, self._shards) as facts,
        ):
            work.write(unit, examples, facts)


def _place(
    found: Sequence[tuple[Entry, work.Found]],
    history: Sequence[Earlier],
    listing: Listing,
    settings: dict[str, Any],
) -> tuple[list[work.Place], list[str]]:
    """Every picture with its group and split, in the order of the entries; and whether very many
    were put together, in a sentence."""
    group_by = group_column(settings["group_by"], listing.columns)
    difference = settings["near_copies"]
    seen = [
        Seen(entry.path, one.content, group_key(entry, group_by), entry.split or "", one.near)
        for entry, one in found
    ]
    ages = {entry.path: entry.span for entry, _ in found}
    grouping = join(
        sorted(seen, key=lambda row: (ages[row.path], row)),  # the same on every machine
        json.loads(settings["split"]),
        difference if difference >= 0 else None,
        history,
    )
    places = [
        work.Place(entry, one, *grouping.place(one.content, row.group, entry.split))
        for (entry, one), row in zip(found, seen, strict=True)
    ]
    distinct = len({row.content for row in seen})
    return places, list(findings.crowded(grouping.near, distinct))


def _limit(
    refused: Sequence[Reject], used: int, listing: Listing, settings: dict[str, Any], kept: str
) -> None:
    """Raises DataError if too many inputs are unusable, and then leaves all of them in `kept`."""
    try:
        check_rejects(refused, used, settings["max_rejected"], listing.source, kept)
    except DataError:
        _write_rejects(kept, refused)
        raise


def _check_places(
    places: list[work.Place],
    refused: int,
    crowd: list[str],
    listing: Listing,
    settings: dict[str, Any],
) -> None:
    """Raises DataError if what is left cannot be learnt from."""
    labels = collections.Counter(place.entry.label for place in places)
    notes = [f"{refused} inputs were rejected"] if refused else []
    counts = {label: labels[label] for label in listing.classes}
    check_counts(counts, settings["min_per_class"], listing.source, notes)
    splits = collections.Counter(place.split for place in places)
    for split in ("train", "test"):
        if not splits[split]:
            fallen = ", ".join(f"{name} {count}" for name, count in sorted(splits.items()))
            raise DataError(
                f"{listing.source}: no picture falls into the split {split!r} ({fallen}); "
                "give more groups of pictures, or other shares in data.split"
                + "".join(f". {sentence}" for sentence in crowd)
            )


def _describe(
    examples: Any,
    facts: Any,
    places: list[work.Place],
    rejected: int,
    listing: Listing,
    notes: list[str],
) -> None:
    splits = collections.Counter(place.split for place in places)
    counts = {split: splits[split] for split in SPLITS}
    rows = sorted((p.entry.id, p.entry.label, p.found.content, p.split) for p in places)
    text = "".join("\0".join(row) + "\n" for row in rows)
    for artifact in (examples, facts):
        artifact.split_names = artifact_utils.encode_split_names(list(SPLITS))
        examples_utils.set_payload_format(artifact, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(artifact, "tfrecords_gzip")
        artifact.set_int_custom_property("images", len(places))
        artifact.set_json_value_custom_property("counts", {**counts, "rejected": rejected})
        # Examples leave out empty values, so a split need not have every column.
        artifact.set_json_value_custom_property("columns", list(listing.columns))
        artifact.set_json_value_custom_property("notes", notes)
        artifact.set_string_custom_property(
            "data_fingerprint", hashlib.sha256(text.encode()).hexdigest()
        )


def _notes(places: list[work.Place], difference: float) -> list[str]:
    pictures = sorted(
        Placed(p.entry.path, p.entry.label, p.found.content, p.found.near, p.split) for p in places
    )
    formats = collections.Counter(place.found.format for place in places)
    return [
        *findings.converted(formats),
        *findings.under_two_labels(pictures),
        *(findings.torn_apart(pictures, difference) if difference >= 0 else ()),
    ]


def _write_rejects(path: str, rejects: Iterable[Reject]) -> None:
    with tf.io.gfile.GFile(path, "w") as file:
        for reject in rejects:
            file.write(json.dumps(reject._asdict(), ensure_ascii=False) + "\n")
