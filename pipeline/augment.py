"""What `graft augment` does: shows what a policy makes of pictures, and draws past views again."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.errors import DataError
from components.image_example_gen.listing import Entry, Ids
from components.image_example_gen.sources import list_source
from components.image_transform.policies import changes_pictures, check_policy, default_stored_side
from pipeline.config import Config
from pipeline.lineage import Run
from pipeline.records import read_examples
from pipeline.terminal import library_noise_to

ROWS = 6
VIEWS = 5


def preview(config: Config, images: Sequence[Path]) -> bytes:
    """Draws a contact sheet of what a configuration's policy makes of pictures, before any run.

    Each picture has the views that a run would draw of it, since these follow from seed, id and
    number alone.

    Args:
      config: the task.
      images: image files; by default up to six of the configuration's source, of as many labels.

    Returns:
      A PNG.

    Raises:
      ConfigError: an op by import path that cannot be used.
      DataError: the source cannot be read, or a picture cannot be decoded.
    """
    entries = [_entry(path) for path in images] or _chosen(config.data.source)
    with library_noise_to(Path(os.devnull)):
        import tensorflow as tf

        from components.image_example_gen.reading import read_unit
        from components.image_transform.augmentation import get_augment
        from components.image_transform.bounding import get_bound
        from components.image_transform.contact_sheet import Row, draw_contact_sheet
        from components.image_transform.decoding import decode
        from components.image_transform.explaining import explain_view
        from components.image_transform.preprocessing import Frame

        transform = config.transform
        spec = transform.augment
        frame = Frame(transform.image_size, transform.crop_fraction, transform.resize)
        augment = tf.function(get_augment(spec, frame, config.seed), autograph=False)
        bound = get_bound(transform.stored_side or default_stored_side(frame.image_size, spec))
        numbers = range(VIEWS if changes_pictures(spec) else 1)
        rows = []
        for entry in entries:
            (read,) = next(read_unit([entry]))
            if read.error:
                raise DataError(f"{entry.path}: {read.error}")
            try:
                original = decode(bound(tf.constant(read.data)))
            except tf.errors.InvalidArgumentError:
                raise DataError(f"{entry.path}: is no picture that can be decoded") from None
            views = [
                augment(original, tf.constant(entry.id), tf.constant(number, tf.int64)).numpy()
                for number in numbers
            ]
            lines = [
                explain_view(spec, frame, config.seed, original, entry.id, number)
                for number in numbers
            ]
            rows.append(Row(entry.label, original.numpy(), views, lines))
        title = f"{config.name}: {_name(spec)}"
        return draw_contact_sheet(title, rows)


@dataclasses.dataclass(frozen=True)
class View:
    """A view of a past run, drawn again.

    Attributes:
      png: the picture.
      id, path, label: of its example.
      lines: what made it, a line an op.
    """

    png: bytes
    id: str
    path: str
    label: str
    lines: list[str]


def replay(run: Run, example: str, number: int) -> View:
    """Draws a view of a past run again, to the pixel.

    Args:
      run: which one.
      example: an id or path of the train split.
      number: of the view; where the Trainer draws, the epoch, counted from 0 over all phases.

    Raises:
      DataError: the run has no such example, or its files have gone.
    """
    preprocessing = run.output("ImageTransform", "preprocessing")
    stored = run.output("ImageTransform", "transformed_examples")
    if preprocessing is None or stored is None:
        raise DataError(f"run {run.id}: ImageTransform did not finish, so nothing was augmented")
    facts = preprocessing.json("preprocessing.json")
    if facts is None:
        raise DataError(f"run {run.id}: {preprocessing.uri} has gone, and its views with it")
    names = ("id", "path", "label", "image")
    examples = read_examples(stored.path("Split-train"), names)
    wanted = example.encode()
    found = next((one for one in examples if wanted in (one["id"], one["path"])), None)
    if found is None:
        raise DataError(
            f"run {run.id}: its train split has no example with the id or path {example!r}; "
            "test and eval pictures are never augmented"
        )
    with library_noise_to(Path(os.devnull)):
        import tensorflow as tf

        from components.image_transform.decoding import decode
        from components.image_transform.explaining import explain_view
        from components.trainer.records import load_preprocessing

        graph = tf.saved_model.load(preprocessing.path("augmentation"))
        image, id = decode(tf.constant(found["image"])), found["id"].decode()
        view = graph.augment(image, tf.constant(id), tf.constant(number, tf.int64))
        frame = load_preprocessing(preprocessing.uri).frame
        return View(
            tf.io.encode_png(view).numpy(),
            id,
            found["path"].decode(errors="replace"),
            found["label"].decode(errors="replace"),
            explain_view(facts["augment"], frame, facts["seed"], image, id, number),
        )


def _entry(path: Path) -> Entry:
    if not path.is_file():
        raise DataError(f"{path}: there is no such file; give --image a picture")
    return Entry(str(path), path.name, str(path), id=Ids()(str(path)))


def _chosen(source: str) -> list[Entry]:
    """Of labels evenly spread over all, the picture with the smallest id that may be trained on."""
    listing = list_source(source)
    entries = sorted((e for e in listing.entries if e.split in (None, "train")), key=lambda e: e.id)
    by_label = {entry.label: entry for entry in reversed(entries)}
    labels = sorted(by_label)
    step = max(1, len(labels) / ROWS)
    chosen = [by_label[labels[int(i * step)]] for i in range(min(ROWS, len(labels)))]
    if not chosen:
        raise DataError(f"{source}: holds no picture to show")
    return chosen


def _name(spec: Any) -> str:
    if isinstance(spec, str):
        return spec
    return ", ".join(op["op"] for op in check_policy(spec)) or "none"
