"""Where a picture stands in the data sets of a pipeline: split, label, paths, near-copies."""

import dataclasses
import hashlib
import itertools
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from components.errors import DataError
from components.files import exists, in_bucket, reading
from components.image_example_gen.listing import SPLITS, display
from components.image_example_gen.sources import MANIFESTS
from components.image_example_gen.spans import TOKEN, resolve_spans
from pipeline.lineage import Artifact
from pipeline.records import parse_example, read_records
from pipeline.tracing import Dataset, damaged

CONTENT_LENGTH = 32
"""Characters of SHA-256 by which ImageExampleGen knows a picture's bytes."""
HISTORY = "groups.jsonl"
"""In the folder of `facts`; see image_example_gen/history.py, which needs TensorFlow."""


class Picture(NamedTuple):
    """One picture of a data set.

    Attributes:
      split: train, eval or test.
      id, path, label, group: as in its Example.
      content: the hash of its bytes.
    """

    split: str
    id: str
    path: str
    label: str
    group: str
    content: str


@dataclasses.dataclass(frozen=True)
class Sighting:
    """A content in a data set.

    Attributes:
      dataset: where it stands.
      pictures: itself, once for each path under which it stands there.
      group: the other pictures of its group: near-copies, or what the source put together.
    """

    dataset: Dataset
    pictures: list[Picture]
    group: list[Picture]

    @property
    def splits(self) -> set[str]:
        """One as a rule; more only where the source's own splits tear it apart."""
        return {picture.split for picture in self.pictures}


def content_of(path: Path) -> str:
    """Returns the hash of a picture file, as ImageExampleGen takes it.

    Raises:
      DataError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:CONTENT_LENGTH]
    except OSError as e:
        raise DataError(
            f"{display(str(path))}: cannot be read ({e.strerror}); give a picture file, or the "
            "path or the id under which the data knew it"
        ) from None


def sightings(datasets: Iterable[Dataset], content: str) -> list[Sighting]:
    """Returns where a content stands, in the order of the data sets."""
    found = []
    for dataset in datasets:
        held = (dataset.contents or {}).values()
        if content in itertools.chain.from_iterable(held):
            own = list(read_pictures(dataset, lambda one, _: one == content))
            groups = {picture.group for picture in own}
            others = [
                picture
                for picture in read_pictures(dataset, _holds(groups))
                if picture.group in groups and picture.content != content
            ]
            found.append(Sighting(dataset, own, others))
    return found


def known_as(datasets: Iterable[Dataset], word: str) -> list[str]:
    """Returns the contents that stand under a path or an id, in the order in which they came.

    Args:
      datasets: where to look.
      word: an id, a content, a path as the source names it, or the path of a file, also of one
        that is gone.
    """
    found: dict[str, None] = {}
    for dataset in datasets:
        wanted = _names(dataset, word)
        for picture in read_pictures(dataset, _holds({*wanted, word}, content=word)):
            if picture.path in wanted or word in (picture.id, picture.content):
                found[picture.content] = None
    return list(found)


def relatives(found: Sequence[Sighting]) -> list[dict[str, str]]:
    """Returns the other pictures of the group, of all data sets up to the newest that has it.

    Args:
      found: where a picture stands.

    Returns:
      {"path", "content", "group"}, each content once, under the path under which it first came.
    """
    own = {picture.content for one in found for picture in one.pictures}
    groups = {picture.group for one in found for picture in one.pictures}
    rows = [
        {key: row[key] for key in ("path", "content", "group")}
        for row in lines_of(found[-1].dataset.facts, HISTORY, groups)
        if row["group"] in groups
    ]
    rows += [
        {"path": picture.path, "content": picture.content, "group": picture.group}
        for one in found
        for picture in one.group
    ]
    first: dict[str, dict[str, str]] = {}
    for row in rows:
        if row["content"] not in own:
            first.setdefault(row["content"], row)
    return list(first.values())


def refused(datasets: Iterable[Dataset], word: str) -> list[tuple[Dataset, str]]:
    """Returns the data sets that rejected a picture of that path, each with the reason."""
    found = []
    for dataset in datasets:
        wanted = _names(dataset, word)
        for row in lines_of(dataset.rejects, "rejects.jsonl", wanted):
            if row["path"] in wanted:
                found.append((dataset, row["reason"]))
    return found


def remembered(datasets: Iterable[Dataset], content: str | None, word: str) -> list[Dataset]:
    """Returns the data sets that know a picture from an earlier one only: for its group's sake.

    Where nothing else is found, that earlier one is gone, and with it who has seen the picture.
    """
    found = []
    for dataset in datasets:
        known = {content} if content else {*_names(dataset, word), word}
        rows = lines_of(dataset.facts, HISTORY, known)
        if any(row["content"] in known or row["path"] in known for row in rows):
            found.append(dataset)
    return found


def read_pictures(
    dataset: Dataset, wanted: Callable[[str, bytes], bool] = lambda content, record: True
) -> Iterator[Picture]:
    """Yields pictures of a data set whose contents are written down.

    Args:
      dataset: where to look.
      wanted: (content, serialized Example) -> whether it is worth the reading; by default all are.

    Raises:
      DataError: there are not as many contents as pictures.
    """
    facts, contents = dataset.facts, dataset.contents
    if facts is None or contents is None:
        return
    for split in SPLITS:
        # Both were written from one list, so the n-th record has the n-th content.
        keys = ("id", "path", "label", "group")
        records = read_records(facts.path(f"Split-{split}"))
        for record, content in itertools.zip_longest(records, contents[split]):
            if record is None or content is None:
                raise damaged(facts)
            if wanted(content, record):
                said = parse_example(record, keys)
                id, path, label, group = (said[key].decode(errors="replace") for key in keys)
                yield Picture(split, id, path, label, group, content)


def source_of(dataset: Dataset, picture: Picture) -> str | None:
    """The file from which a picture was read where it lies there still, or its URI; None where
    neither is known."""
    if "://" in picture.path:
        return picture.path
    path, span = picture.path, dataset.span
    if span is not None and dataset.spans > 1:
        first, _, rest = path.partition("/")
        if first.isdigit() and rest:
            span, path = int(first), rest
    version = dataset.version if span == dataset.span else None
    try:
        (place,) = resolve_spans(dataset.source, 1, None if span is None else [(span, version)])
    except DataError:
        return None
    file = Path(_root(place.source), path)
    same = file.is_file() and content_of(file) == picture.content
    return str(file) if same else None


def out_of_reach(dataset: Dataset) -> bool:
    """Whether its source is a relative path that leads nowhere from here: perhaps, from where its
    runs were started, it does."""
    source = os.path.expanduser(dataset.source)
    if os.path.isabs(source) or in_bucket(source):
        return False
    try:
        return not all(os.path.exists(place.source) for place in resolve_spans(source))
    except DataError:
        return True


def lines_of(
    artifact: Artifact | None, name: str, words: Iterable[str]
) -> Iterator[dict[str, Any]]:
    """The lines of a JSON Lines file of an artifact that have one of the words in them, and
    perhaps others; none where there is no such file."""
    if artifact is None or not exists(artifact.path(name)):
        return
    spelled = [json.dumps(word, ensure_ascii=False)[1:-1] for word in words]
    needles = [word.encode(errors="replace") for word in spelled]
    with reading(artifact.path(name)) as file:
        for line in file:
            if any(needle in line for needle in needles):
                try:
                    yield json.loads(line)
                except ValueError:
                    raise DataError(
                        f"{artifact.path(name)}: has a damaged line; bring it back from a copy"
                    ) from None


def _root(source: str) -> str:
    """The folder to which a source's paths are relative."""
    place = os.path.abspath(os.path.expanduser(source))
    return os.path.dirname(place) if place.lower().endswith(MANIFESTS) else place


def _names(dataset: Dataset, word: str) -> set[str]:
    """What a data set would call the file that a person calls by a path."""
    source, path = os.path.expanduser(dataset.source), os.path.abspath(os.path.expanduser(word))
    named = _names_below(_root(source), path, dataset)
    if not named and not os.path.isabs(source):
        # From where its run was started, nobody has written down: it may be any folder.
        root = _root(os.path.join("/", source))
        for slash in re.finditer("/", path):
            named |= _names_below(root, path[slash.start() :], dataset)
    return {display(word), *named}


def _names_below(root: str, path: str, dataset: Dataset) -> set[str]:
    """The same of a path below a folder, in which {SPAN} stands for a number."""
    pattern, end, root = "", 0, root.rstrip("/")
    for token in TOKEN.finditer(root):
        pattern += re.escape(root[end : token.start()]) + f"(?P<{token[1]}>[0-9]+)"
        end = token.end()
    match = re.match(pattern + re.escape(root[end:]) + "/", path)
    if not match:
        return set()
    named, rest = set(), display(path[match.end() :])
    span = match.groupdict().get("SPAN")
    if span is not None:
        named.add(f"{int(span)}/{rest}")  # how a window of several spans calls it
    if span is None or int(span) == dataset.span:
        named.add(rest)
    return named


def _holds(words: Iterable[str], content: str = "") -> Callable[[str, bytes], bool]:
    """Whether a record has one of the words in it: quicker by far than to read what it says."""
    needles = [word.encode(errors="replace") for word in words]
    return lambda one, record: one == content or any(needle in record for needle in needles)
