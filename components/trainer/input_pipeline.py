"""Pictures and features as batches, in an order that is a function of (seed, epoch) alone."""

import os
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from components.files import size
from components.image_transform.augmentation import get_mix, view_seed
from components.image_transform.decoding import decode, is_plain_jpeg
from components.records import untuned
from components.trainer.records import (
    FEATURE,
    PICTURE,
    Preprocessing,
    Vocabulary,
    files_by_view,
    load_records,
    parsed_records,
    room,
    take_over,
)

IN_MEMORY_BYTES = 1 << 30
"""Stored pictures, decoded eval pictures and features are each kept in memory below this size."""

_PARALLEL = os.cpu_count() or 1


class TrainData(Protocol):
    """A train split that can be read from any step of any epoch."""

    size: int

    def batches(
        self, batch_size: int, first_epoch: int, epochs: int, start: int = 0
    ) -> tf.data.Dataset:
        """Batches of (inputs, class numbers int32 [N]), all of `batch_size`. Where the policy mixes
        pictures, shares of the classes, float32 [N, classes], are in place of class numbers.

        What does not fill the last batch of an epoch is left out: other examples in each epoch.

        Args:
          batch_size: at most `size`.
          first_epoch: draws order and views; epochs count over the whole training.
          epochs: how many, one after the other without a seam.
          start: steps of the first epoch to leave out; the rest is as if they had been read.
        """


class Features:
    """Feature vectors: inputs are float32 [N, D]. Epoch e shows view e mod the number of views."""

    def __init__(
        self, vectors: Callable[[tf.Tensor], tf.Tensor], views: int, labels: np.ndarray, seed: int
    ):
        """Args:
        vectors: a view's number, scalar int64 -> float32 [N, D], ordered by id.
        views: how many there are, at least 1.
        labels: class numbers, int32 [N].
        seed: draws the order.
        """
        self.size, self._seed = len(labels), seed
        self._vectors, self._views, self._labels = vectors, views, tf.constant(labels)

    def batches(
        self, batch_size: int, first_epoch: int, epochs: int, start: int = 0
    ) -> tf.data.Dataset:
        """See TrainData."""

        def of_epoch(rows: tf.Tensor, epoch: tf.Tensor) -> tf.data.Dataset:
            vectors = self._vectors(epoch % self._views)
            return (
                tf.data.Dataset.from_tensor_slices(rows)
                .batch(batch_size)
                .map(lambda row: (tf.gather(vectors, row), tf.gather(self._labels, row)))
            )

        orders = _orders(self.size, self._seed, batch_size, first_epoch, epochs, start)
        batches = orders.flat_map(of_epoch).prefetch(16)
        options = tf.data.Options()  # to rewrite the graph, tf.data would copy all vectors
        options.experimental_optimization.apply_default_optimizations = False
        return untuned(batches.with_options(options))

    def whole(self, batch_size: int) -> tf.data.Dataset:
        """View 0 of all, in order, the last batch smaller: (features, class numbers)."""
        vectors = self._vectors(tf.constant(0, tf.int64))
        return tf.data.Dataset.from_tensor_slices((vectors, self._labels)).batch(batch_size)


def hold(views: np.ndarray | tf.Tensor) -> Callable[[tf.Tensor], tf.Tensor]:
    """Feature vectors in memory, float32 [views, N, D], as Features takes them."""
    held = tf.convert_to_tensor(views)
    if held.shape[0] == 1:
        only = tf.squeeze(held, 0)  # where the slice would be a copy
        return lambda view: only
    return lambda view: held[view]


def load_features(
    files: Sequence[str],
    vocabulary: Vocabulary,
    seed: int,
    in_memory_bytes: int = IN_MEMORY_BYTES,
) -> Features:
    """Reads FeatureExtractor's output of one split, which may be empty.

    Below `in_memory_bytes` all views are kept in memory. Otherwise one is, and each epoch reads
    its own from its files.

    Raises:
      DataError: a label is not in the vocabulary.
    """
    views = files_by_view(files)
    if not views:
        return _no_features(seed)

    def load(view: int) -> dict[str, np.ndarray]:
        return load_records(views[view], FEATURE) or {}

    first = load(0)
    labels, vectors = vocabulary.numbers(first["label"]), first["feature"]
    if len(views) == 1:
        return Features(hold(take_over(vectors[np.newaxis])), 1, labels, seed)
    if len(views) * vectors.nbytes < in_memory_bytes:
        held = room([len(views), *vectors.shape], vectors.dtype)
        for view in range(len(views)):
            held[view] = load(view)["feature"] if view else vectors
        return Features(hold(take_over(held)), len(views), labels, seed)

    def read(view: tf.Tensor) -> tf.Tensor:
        found = tf.numpy_function(lambda view: load(view)["feature"], [view], tf.float32)
        return tf.ensure_shape(found, vectors.shape)

    return Features(read, len(views), labels, seed)


def extract_features(
    batches: tf.data.Dataset, extract: Callable[[tf.Tensor], tf.Tensor], seed: int
) -> Features:
    """Runs a frozen backbone once over all pictures.

    Args:
      batches: (images float32 [N, h, w, 3], class numbers int32 [N]), ordered by id.
      extract: images -> feature vectors.
      seed: draws the order of the result's batches.
    """
    extract = tf.function(extract, [batches.element_spec[0]], autograph=False)
    parts = [(extract(images).numpy(), labels.numpy()) for images, labels in batches]
    if not parts:
        return _no_features(seed)
    features, labels = (np.concatenate(x) for x in zip(*parts, strict=True))
    return Features(hold(features[np.newaxis]), 1, labels, seed)


def _no_features(seed: int) -> Features:
    return Features(hold(np.zeros([1, 0, 1], np.float32)), 1, np.zeros([0], np.int32), seed)


class Pictures:
    """The train split's pictures: inputs are float32 [N, h, w, 3] in [0, 1].

    Below IN_MEMORY_BYTES the stored bytes are kept in memory and each epoch is an exact shuffle.
    A larger split is read from its files in every epoch, in a shuffled order of files and through
    a shuffle buffer of a quarter of that size.
    """

    def __init__(
        self,
        files: Sequence[str],
        preprocessing: Preprocessing,
        seed: int,
        in_memory_bytes: int = IN_MEMORY_BYTES,
    ):
        """Args:
        files: TFRecords of transformed Examples.
        preprocessing: vocabulary and augmentation; without the latter the views are as served.
        seed: draws the order. The views' seed lies in the augmentation graph.
        in_memory_bytes: see above.

        Raises:
          DataError: a label is not in the vocabulary.
        """
        self._files, self._seed, self._view = list(files), seed, get_view(preprocessing)
        self._vocabulary = Vocabulary(preprocessing.labels)
        self._classes, self._mix = len(preprocessing.labels), get_mix(preprocessing.augment)
        self._memory = None
        stored = sum(size(file) for file in files)
        if stored < in_memory_bytes:
            self._memory = self._load()
            self.size = len(self._memory[-1]) if self._memory else 0
        else:
            self.size = self._vocabulary.count(files)
            self._buffer = max(1, self.size * in_memory_bytes // 4 // stored)

    def batches(
        self, batch_size: int, first_epoch: int, epochs: int, start: int = 0
    ) -> tf.data.Dataset:
        """See TrainData."""
        read = self._from_memory if self._memory else self._from_files
        views = read(batch_size, first_epoch, epochs, start)
        batches = views.batch(batch_size, drop_remainder=True)
        return untuned(batches.map(self._finish).prefetch(2))

    def once(self, batch_size: int) -> tf.data.Dataset | None:
        """Every picture once, ordered by id, in the view of epoch 0; the last batch smaller.

        Returns:
          Batches as `batches` gives them, or None where the split is too large for memory.
        """
        if not self._memory:
            return None
        return untuned(
            tf.data.Dataset.from_tensor_slices(self._memory)
            .map(
                lambda image, id, label, plain: (
                    self._view(image, id, tf.constant(0, tf.int64), plain),
                    label,
                ),
                num_parallel_calls=_PARALLEL,
            )
            .batch(batch_size)
            .prefetch(2)
        )

    def _finish(
        self, images: tf.Tensor, labels: tf.Tensor, ids: tf.Tensor, epochs: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        if self._mix is None:
            return images, labels
        # Of the first example and its epoch: the same batch is mixed alike after a resumption.
        seed = view_seed(self._seed, tf.strings.join(["batch of ", ids[0]]), epochs[0])
        return self._mix(images, tf.one_hot(labels, self._classes), seed)

    def _load(self) -> tuple[tf.Tensor, ...] | None:
        records = load_records(self._files, PICTURE)
        if records is None:
            return None
        numbers = self._vocabulary.numbers(records["label"])
        images = tf.constant(records["image"])
        return images, tf.constant(records["id"]), tf.constant(numbers), is_plain_jpeg(images)

    def _from_memory(self, *which: int) -> tf.data.Dataset:
        memory = self._memory or ()

        def view(row: tf.Tensor, epoch: tf.Tensor) -> tuple[tf.Tensor, ...]:
            image, id, label, plain = (tf.gather(x, row) for x in memory)
            return self._view(image, id, epoch, plain), label, id, epoch

        return _rows(self.size, self._seed, *which).map(view, num_parallel_calls=_PARALLEL)

    def _from_files(
        self, batch_size: int, first_epoch: int, epochs: int, start: int
    ) -> tf.data.Dataset:
        kept = self.size // batch_size * batch_size

        def of_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
            seed = tf.stack([tf.constant(self._seed, tf.int64), epoch])
            files = tf.random.experimental.stateless_shuffle(tf.constant(self._files), seed)
            records = tf.data.Dataset.from_tensor_slices(files).interleave(
                lambda file: tf.data.TFRecordDataset(file, "GZIP"), cycle_length=4
            )
            draw = tf.random.stateless_uniform([], seed, maxval=tf.int64.max, dtype=tf.int64)
            shuffled = records.shuffle(self._buffer, draw, reshuffle_each_iteration=False)
            skipped = tf.where(epoch == first_epoch, start * batch_size, 0)
            return shuffled.take(kept).skip(tf.cast(skipped, tf.int64)).map(lambda x: (x, epoch))

        def view(record: tf.Tensor, epoch: tf.Tensor) -> tuple[tf.Tensor, ...]:
            x = tf.io.parse_single_example(record, PICTURE)
            label = self._vocabulary.lookup(x["label"])
            plain = is_plain_jpeg(x["image"])
            return self._view(x["image"], x["id"], epoch, plain), label, x["id"], epoch

        numbers = tf.data.Dataset.range(first_epoch, first_epoch + epochs)
        return numbers.flat_map(of_epoch).map(view, num_parallel_calls=_PARALLEL)


def picture_batches(
    files: Sequence[str], view: Callable[..., tf.Tensor], number: int, batch_size: int
) -> tf.data.Dataset:
    """Every picture once, in the order of the files.

    Args:
      files: TFRecords of Examples, raw or transformed; may be empty.
      view: as `get_view` makes it.
      number: of the view; nothing without augmentation.
      batch_size: the last batch may be smaller.

    Returns:
      Batches of {"image": float32 [N, h, w, 3] in [0, 1], "label": string [N], "id": string [N]}.
    """
    number = tf.constant(number, tf.int64)
    return untuned(
        parsed_records(files, PICTURE)
        .unbatch()
        .map(
            lambda x: {
                **x,
                "image": view(x["image"], x["id"], number, is_plain_jpeg(x["image"])),
            },
            num_parallel_calls=_PARALLEL,
        )
        .batch(batch_size)
        .prefetch(2)
    )


def served_batches(
    files: Sequence[str], preprocessing: Preprocessing, batch_size: int
) -> tf.data.Dataset:
    """Every picture once, through the serving preprocessing; see `picture_batches`."""
    served = get_view(preprocessing._replace(augment="none"))
    return picture_batches(files, served, 0, batch_size)


def eval_batches(
    files: Sequence[str], preprocessing: Preprocessing, batch_size: int
) -> tuple[tf.data.Dataset, int]:
    """The eval split as it would be served; decoded pictures are kept in memory if that is small.

    Returns:
      Batches of (images float32 [N, h, w, 3], class numbers int32 [N]), the last one smaller;
      and how many pictures there are, maybe none.

    Raises:
      DataError: a label is not in the vocabulary.
    """
    vocabulary = Vocabulary(preprocessing.labels)
    size = vocabulary.count(files)
    batches = served_batches(files, preprocessing, batch_size).map(
        lambda x: (x["image"], vocabulary.lookup(x["label"]))
    )
    decoded = size * int(np.prod(preprocessing.image_size)) * 3 * 4
    return (batches.cache() if decoded < IN_MEMORY_BYTES else batches), size


def _rows(*which: int) -> tf.data.Dataset:
    """(row, epoch), both int64 scalars: `_orders` row by row."""
    return _orders(*which).flat_map(
        lambda rows, epoch: tf.data.Dataset.from_tensor_slices(
            (rows, tf.fill(tf.shape(rows), epoch))
        )
    )


def _orders(
    size: int, seed: int, batch_size: int, first_epoch: int, epochs: int, start: int
) -> tf.data.Dataset:
    """(rows int64 [M], epoch int64): each epoch an exact shuffle, cut to whole batches."""
    kept = size // batch_size * batch_size

    def of_epoch(epoch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        order = tf.random.experimental.stateless_shuffle(
            tf.range(size, dtype=tf.int64), tf.stack([tf.constant(seed, tf.int64), epoch])
        )
        skipped = tf.where(epoch == first_epoch, start * batch_size, 0)
        return order[skipped:kept], epoch

    return tf.data.Dataset.range(first_epoch, first_epoch + epochs).map(of_epoch)


def get_view(preprocessing: Preprocessing) -> Callable[..., tf.Tensor]:
    """Makes the function that draws a picture to train on; traced once, by its first user.

    Returns:
      A function: (encoded bytes, id, view, whether it is a plain JPEG), scalars string, string,
      int64, bool -> float32 [h, w, 3] in [0, 1]: the augmentation's view where there is one, else
      as served.
    """
    scalars = [tf.TensorSpec([], dtype) for dtype in (tf.string, tf.string, tf.int64, tf.bool)]
    if not preprocessing.augmented:
        serve = preprocessing.serving()
        return tf.function(lambda image, id, epoch, plain: serve(image), scalars, autograph=False)
    graph = tf.saved_model.load(os.path.join(preprocessing.folder, "augmentation"))
    shape = [*preprocessing.image_size, 3]

    def view(image: tf.Tensor, id: tf.Tensor, epoch: tf.Tensor, plain: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(graph.augment_unit(decode(image, plain), id, epoch), shape)

    return tf.function(view, scalars, autograph=False)
