"""A manifest: a CSV or JSON-lines file that names pictures, their labels and what else is known."""

import csv
import json
import os
import stat
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from components.errors import DataError
from components.image_example_gen.listing import (
    SPLIT_NAMES,
    Entry,
    FileState,
    Ids,
    Listing,
    Reject,
    display,
    file_state,
    fingerprint,
)

_SHOWN = 5
"""How many bad lines a message names."""


class _Row(NamedTuple):
    line: int
    values: dict[str, str]


def list_manifest(manifest: str, remote_states: Callable | None = None) -> Listing:
    """Lists a .csv, .tsv, .jsonl or .ndjson manifest in UTF-8.

    Columns `path` and `label` are required, `split` is optional (train, eval, test, or what
    SPLIT_NAMES knows; empty: decided as for any other picture). All others, `group` too, are kept
    by name. A path is relative to the manifest's folder, absolute, or a URI. CSV may be separated
    by commas, semicolons or tabs. Files that do not exist are rejected.

    Args:
      manifest: a local file.
      remote_states: gives a text for each of a list of URIs that changes when its content does;
        without it, a replaced remote picture is not noticed.

    Raises:
      DataError: it is no text, lacks a column, or has bad lines; named with their numbers.
    """
    rows = list(_read(manifest))
    bad: list[str] = []
    entries: list[Entry] = []
    ids = Ids()
    rejects: list[Reject] = []
    files = [FileState(display(os.path.basename(manifest)), file_state(os.stat(manifest)))]
    labels: dict[str, tuple[str, int]] = {}
    folder = os.path.dirname(manifest)
    for line, values in rows:
        path, label, split = (values.pop(key, "") for key in ("path", "label", "split"))
        if not path or not label:
            bad.append(f"line {line}: has no {'label' if path else 'path'}")
            continue
        if split and split.lower() not in SPLIT_NAMES:
            bad.append(
                f"line {line}: there is no split {split!r}; write train, eval, test or nothing"
            )
            continue
        first_label, first_line = labels.setdefault(path, (label, line))
        if first_label != label:
            bad.append(
                f"line {line}: {display(path)} is {label!r}, but {first_label!r} in line "
                f"{first_line}"
            )
            continue
        location, size = _locate(folder, path), 0
        if "://" not in location:
            try:
                status = os.stat(location)
                reason = "" if stat.S_ISREG(status.st_mode) else "is no regular file"
                state, size = file_state(status), status.st_size
            except (OSError, ValueError) as e:
                reason = _why(e)
                state = reason
            files.append(FileState(display(path), state))
            if reason:
                rejects.append(Reject(display(path), reason))
                continue
        entries.append(
            Entry(
                path=display(path),
                label=display(label),
                location=location,
                split=SPLIT_NAMES.get(split.lower()),
                columns={display(name): display(value) for name, value in values.items() if value},
                size=size,
                id=ids(display(path)),
            )
        )
    if bad:
        more = f"\n  and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
        raise DataError(
            f"{display(manifest)}: {len(bad)} of {len(rows)} rows cannot be used; "
            "correct or remove them:\n  " + "\n  ".join(bad[:_SHOWN]) + more
        )
    uris = sorted({entry.location for entry in entries if "://" in entry.location})
    states = remote_states(uris) if remote_states and uris else [""] * len(uris)
    files += [FileState(uri, state) for uri, state in zip(uris, states, strict=True)]
    columns = {name for row in rows for name in row.values}
    return Listing(
        source=display(manifest),
        entries=tuple(sorted(entries, key=lambda entry: entry.id)),
        rejects=tuple(sorted(rejects)),
        notes=(),
        columns=tuple(sorted(map(display, columns))),
        classes=tuple(sorted({display(label) for label, _ in labels.values()})),
        fingerprint=fingerprint(files),
    )


def _read(manifest: str) -> Iterator[_Row]:
    """The rows, with `path`, `label` and `split` in lower case, whatever the case in the file."""
    is_json = manifest.lower().endswith((".jsonl", ".ndjson"))
    # A file's name may be bytes that are no UTF-8; surrogateescape brings those through.
    with open(manifest, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        try:
            yield from (_json_rows if is_json else _csv_rows)(file, manifest)
        except csv.Error as e:
            raise DataError(
                f"{display(manifest)}: cannot be read as CSV ({e}); save it as CSV in UTF-8"
            ) from None


def _csv_rows(file, manifest: str) -> Iterator[_Row]:
    first = file.readline()
    if "\0" in first:
        raise DataError(f"{display(manifest)}: is no text in UTF-8; save it as CSV in UTF-8")
    file.seek(0)
    reader = csv.reader(file, delimiter=max(",;\t", key=first.count), strict=True)
    header = [_column(name) for name in next(reader, [])]
    _require(header, manifest)
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise DataError(
                f"{display(manifest)}: line {reader.line_num}: cells: {len(cells)}, in "
                f"the header: {len(header)}; put texts with separators into quotes, and leave no "
                "cell out"
            )
        values = {name: cell.strip() for name, cell in zip(header, cells, strict=True) if name}
        yield _Row(reader.line_num, values)


def _json_rows(file, manifest: str) -> Iterator[_Row]:
    empty = True
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError as e:
            raise DataError(
                f"{display(manifest)}: line {number}: is no JSON ({e}); write one "
                'object a line, such as {"path": "a.jpg", "label": "cat"}'
            ) from None
        if not isinstance(values, dict):
            raise DataError(
                f"{display(manifest)}: line {number}: is no JSON object; write one a "
                'line, such as {"path": "a.jpg", "label": "cat"}'
            )
        values = {_column(name): _text(value) for name, value in values.items()}
        if empty:
            _require(list(values), manifest)
        empty = False
        yield _Row(number, values)
    if empty:
        _require([], manifest)


def _require(header: list[str], manifest: str) -> None:
    missing = [name for name in ("path", "label") if name not in header]
    if missing:
        found = f"it has: {', '.join(map(display, header))}" if header else "it is empty"
        raise DataError(
            f"{display(manifest)}: lacks the column {' and '.join(missing)} ({found}); "
            "the first line names the columns"
        )
    twice = {name for name in header if name and header.count(name) > 1}
    if twice:
        raise DataError(f"{display(manifest)}: has the column {', '.join(sorted(twice))} twice")


def _column(name: str) -> str:
    name = name.strip()
    return name.lower() if name.lower() in ("path", "label", "split", "group") else name


def _text(value) -> str:
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _locate(folder: str, path: str) -> str:
    """A local file, or the URI as it stands."""
    if path.lower().startswith("file://"):
        return unquote(urlsplit(path).path, errors="surrogateescape")
    return path if "://" in path else os.path.join(folder, path)


def _why(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    return f"cannot be read ({getattr(error, 'strerror', None) or error})"
