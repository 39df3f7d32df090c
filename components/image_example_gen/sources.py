"""What there is to learn from: lists any source, and says early what is wrong with it.

Imports neither TensorFlow nor TFX nor Beam: `check` uses it, and answers in a moment.
"""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from components.errors import DataError
from components.image_example_gen.folders import list_folder
from components.image_example_gen.listing import (
    Entry,
    FileState,
    Ids,
    Listing,
    Reject,
    display,
    fingerprint,
)
from components.image_example_gen.manifests import list_manifest
from components.image_example_gen.samples import PREFIX, list_sample
from components.image_example_gen.spans import Resolved, resolve_spans
from components.image_example_gen.tfrecords import list_records, record_files, records_fingerprint

__all__ = [
    "Entry",
    "Listing",
    "Reject",
    "Resolved",
    "check_counts",
    "check_listing",
    "check_rejects",
    "list_source",
    "list_spans",
    "resolve_spans",
    "source_fingerprint",
    "spans_fingerprint",
]

MANIFESTS = (".csv", ".tsv", ".jsonl", ".ndjson")
"""Endings of manifests."""
_SHOWN = 10


def list_source(source: str, remote_states: Callable | None = None) -> Listing:
    """Lists the pictures of a source, without reading them.

    Args:
      source: a folder of class folders (`list_folder`), a manifest (`list_manifest`), a folder of
        TFRecords of Examples (`list_records`; these are read, at some 300 MB a second), or
        builtin://digits, builtin://solar_cells (`list_sample`). Of {SPAN} and {VERSION} in it the
        newest is taken.
      remote_states: see `list_manifest`.

    Raises:
      DataError: there is nothing like that, or it cannot be read.
    """
    with _readable(source):
        kind, source = _kind(source)
        if kind == "sample":
            return list_sample(source)
        if kind == "manifest":
            return list_manifest(source, remote_states)
        return list_records(source) if kind == "records" else list_folder(source)


def list_spans(spans: Sequence[Resolved], remote_states: Callable | None = None) -> Listing:
    """Lists the pictures of one or several spans together.

    Args:
      spans: see `resolve_spans`. Of several, each picture's path begins with its span's number.
      remote_states: see `list_manifest`.

    Raises:
      DataError: see `list_source`.
    """
    listings = [list_source(one.source, remote_states) for one in spans]
    if len(spans) == 1:
        return listings[0]
    ids = Ids()
    entries, rejects = [], []
    for one, listing in zip(spans, listings, strict=True):
        for entry in listing.entries:
            path = f"{one.span}/{entry.path}"
            entries.append(dataclasses.replace(entry, path=path, id=ids(path), span=one.span))
        rejects += [
            Reject(f"{one.span}/{reject.path}", reject.reason) for reject in listing.rejects
        ]
    if not any(entry.record is not None for entry in entries):
        entries.sort(key=lambda entry: entry.id)
    return Listing(
        source=", ".join(listing.source for listing in listings),
        entries=tuple(entries),
        rejects=tuple(sorted(rejects)),
        notes=tuple(dict.fromkeys(note for listing in listings for note in listing.notes)),
        columns=tuple(sorted({column for listing in listings for column in listing.columns})),
        classes=tuple(sorted({label for listing in listings for label in listing.classes})),
        fingerprint=_together(spans, [listing.fingerprint for listing in listings]),
    )


def spans_fingerprint(spans: Sequence[Resolved], remote_states: Callable | None = None) -> str:
    """Returns `list_spans(spans).fingerprint`, by the shortest way; raises what that raises."""
    fingerprints = [source_fingerprint(one.source, remote_states) for one in spans]
    return fingerprints[0] if len(spans) == 1 else _together(spans, fingerprints)


def source_fingerprint(source: str, remote_states: Callable | None = None) -> str:
    """Returns `list_source(source).fingerprint`, by the shortest way; raises what that raises."""
    with _readable(source):
        kind, resolved = _kind(source)
        if kind == "records":
            return records_fingerprint(resolved)
        return list_source(resolved, remote_states).fingerprint


def _together(spans: Sequence[Resolved], fingerprints: Sequence[str]) -> str:
    pairs = zip(spans, fingerprints, strict=True)
    return fingerprint(FileState(str(one.span), state) for one, state in pairs)


def group_column(group_by: str, columns: Collection[str]) -> str:
    """What `group_by` stands for: "content" or a column; "auto" the column "group", if there."""
    return group_by if group_by != "auto" else "group" if "group" in columns else "content"


def check_listing(
    listing: Listing, group_by: str = "content", min_per_class: int = 2, max_rejected: float = 1.0
) -> None:
    """Checks what can be known of a source before a picture is opened.

    Args:
      listing: what `list_source` gave.
      group_by: see `group_column`.
      min_per_class: fewest pictures that a class may have.
      max_rejected: largest share of inputs that may be unusable, in [0, 1].

    Raises:
      DataError: no picture, one class only, classes with too few, no such column, too many rejects.
    """
    group_by = group_column(group_by, listing.columns)
    if group_by != "content" and group_by not in listing.columns:
        known = ", ".join(["content", *listing.columns])
        raise DataError(
            f"{listing.source}: data.group_by names {group_by!r}, but there is no such "
            f"column; there are: {known}"
        )
    check_rejects(listing.rejects, len(listing.entries), max_rejected, listing.source)
    check_counts(listing.labels(), min_per_class, listing.source, listing.notes)


def check_counts(
    counts: Mapping[str, int], min_per_class: int, source: str, notes: Sequence[str] = ()
) -> None:
    """Checks the number of pictures of each class.

    Raises:
      DataError: there are none, there is one class only, or a class has too few.
    """
    also = "".join(f"; {note}" for note in notes)
    if not sum(counts.values()):
        raise DataError(
            f"{source}: holds no pictures{also}; give JPEG, PNG, GIF, BMP, WebP or TIFF files"
        )
    if len(counts) < 2:
        only = next(iter(counts))
        raise DataError(
            f"{source}: has one class only, {only!r}{also}; a classifier needs two or more"
        )
    few = {label: count for label, count in counts.items() if count < min_per_class}
    if few:
        named = ", ".join(f"{label} ({count})" for label, count in list(few.items())[:_SHOWN])
        more = f" and {len(few) - _SHOWN} more" if len(few) > _SHOWN else ""
        raise DataError(
            f"{source}: of {len(counts)} classes these have fewer than {min_per_class} pictures: "
            f"{named}{more}{also}; add pictures, remove the class, or lower data.min_per_class"
        )


def check_rejects(
    rejects: Sequence[Reject], used: int, max_rejected: float, source: str, whole_list: str = ""
) -> None:
    """Checks that not too many inputs are rejected.

    Args:
      rejects: the inputs that cannot be used.
      used: how many can.
      max_rejected: largest share of rejects among both, in [0, 1].
      source: named in the message.
      whole_list: a file that has them all, if there is one.

    Raises:
      DataError: there are more; with the first ten and their reasons.
    """
    total = used + len(rejects)
    if not rejects or len(rejects) <= max_rejected * total:
        return
    shown = "\n".join(f"  {path}: {reason}" for path, reason in rejects[:_SHOWN])
    more = f"\n  and {len(rejects) - _SHOWN} more" if len(rejects) > _SHOWN else ""
    where = f"\nThe whole list: {whole_list}" if whole_list else ""
    raise DataError(
        f"{source}: {len(rejects)} of {total} pictures ({len(rejects) / total:.1%}) cannot be "
        f"used, more than data.max_rejected allows ({max_rejected:.1%}):\n{shown}{more}{where}\n"
        "Repair or remove them, or raise data.max_rejected."
    )


def _kind(source: str) -> tuple[str, str]:
    """What a source is, and its name with spans filled in."""
    if source.startswith(PREFIX):
        return "sample", source
    if "://" in source:
        raise DataError(
            f"{source}: remote folders and manifests are not read; mount the bucket, "
            "or list the URIs of the pictures in a local manifest"
        )
    source = resolve_spans(source)[0].source
    if os.path.isfile(source):
        if source.lower().endswith(MANIFESTS):
            return "manifest", source
        raise DataError(
            f"{source}: is a file, but no manifest; give a folder, or a file with one "
            f"of the endings {', '.join(MANIFESTS)}"
        )
    if not os.path.isdir(source):
        raise DataError(
            f"{source}: there is no such folder or file (looked from {os.getcwd()}); "
            "correct data.source"
        )
    return ("records" if record_files(source) else "folder"), source


@contextlib.contextmanager
def _readable(source: str) -> Iterator[None]:
    """What the system refuses is the user's to mend, and the driver handles no other error."""
    try:
        yield
    except OSError as e:
        place = display(os.fsdecode(e.filename)) if e.filename else source
        raise DataError(
            f"{place}: cannot be read ({e.strerror or e}); check its permissions"
        ) from e
