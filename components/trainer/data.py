"""What a phase trains on: pictures, or the feature vectors of a backbone that stands still."""

import functools
import itertools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from components.errors import DataError
from components.trainer.fn_args import FnArgs
from components.trainer.input_pipeline import (
    Features,
    Pictures,
    TrainData,
    eval_batches,
    extract_features,
    load_features,
)
from components.trainer.records import Preprocessing, Vocabulary

EVAL_BATCH = 64
"""Pictures that are evaluated at once."""
EVAL_FEATURES_BATCH = 1024
"""Feature vectors that are evaluated at once."""


class Data:
    """The train and the eval split, each as cheap as the phase allows."""

    def __init__(
        self,
        fn_args: FnArgs,
        preprocessing: Preprocessing,
        features: Callable[[tf.Tensor], tf.Tensor],
    ):
        """Args:
        fn_args: the files, and the phases.
        preprocessing: vocabulary, image size, augmentation.
        features: images -> feature vectors, inference mode, by the backbone as it is at a call.

        Raises:
          DataError: no training pictures, or a label that the vocabulary lacks.
        """
        self._features, self._preprocessing, self._fn_args = features, preprocessing, fn_args
        self._head_only = [phase["train"] == "head" for phase in fn_args.train["phases"]]
        self._in_front = len(list(itertools.takewhile(bool, self._head_only)))
        self._given: tuple[Features, Features] | None = None
        self._vocabulary = Vocabulary(preprocessing.labels)
        if fn_args.train_feature_files:
            self._given = (
                load_features(fn_args.train_feature_files, self._vocabulary, fn_args.seed),
                load_features(fn_args.eval_feature_files, self._vocabulary, fn_args.seed),
            )
            self._size = self._given[0].size
        else:
            # Both are looked at now, so that an unknown label is said before any training.
            self._size, _ = self._pictures.size, self._held_out
        if not self._size:
            raise DataError("the train split is empty; give data.split.train a larger share")

    @property
    def train_size(self) -> int:
        """Examples in the train split."""
        return self._size

    def train_counts(self) -> np.ndarray:
        """Pictures of each class in the train split, int [classes]."""
        return self._vocabulary.counts(self._fn_args.train_files)

    def held_out(self) -> tuple[tf.data.Dataset, int]:
        """The eval split after the last phase: batches of (inputs, class numbers), and its size.

        Feature vectors where the backbone has never been trained and FeatureExtractor ran, else
        pictures.
        """
        if self._given and all(self._head_only):
            return self._given[1].whole(EVAL_FEATURES_BATCH), self._given[1].size
        return self._held_out

    def for_phase(self, number: int) -> tuple[TrainData, tf.data.Dataset, int]:
        """What a phase reads.

        A head-only phase in front, before any that trains the backbone, reads the features of
        FeatureExtractor, if it ran. Another head-only phase sees each eval picture's feature
        vector, computed once as the phase begins; the same for the train split, unless its
        pictures change with every epoch. What trains the backbone sees pictures.

        Args:
          number: which phase, from 0; the phases come in their order, some maybe left out.

        Returns:
          The train split; the eval split as batches of (inputs, class numbers); and its size.
        """
        if self._given and number < self._in_front:
            train, held_out = self._given
            return train, held_out.whole(EVAL_FEATURES_BATCH), held_out.size
        self._given = None  # pictures need the memory
        if not self._head_only[number]:
            return self._pictures, *self._held_out
        pictures, _ = self._held_out
        held_out = extract_features(pictures, self._features, self._fn_args.seed)
        return self._train_on_features(), held_out.whole(EVAL_FEATURES_BATCH), held_out.size

    @functools.cached_property
    def _pictures(self) -> Pictures:
        return Pictures(self._fn_args.train_files, self._preprocessing, self._fn_args.seed)

    @functools.cached_property
    def _held_out(self) -> tuple[tf.data.Dataset, int]:
        return eval_batches(self._fn_args.eval_files, self._preprocessing, EVAL_BATCH)

    def _train_on_features(self) -> TrainData:
        augmented = self._preprocessing.augmented
        pictures = None if augmented else self._pictures.once(EVAL_BATCH)
        if pictures is None:
            return self._pictures  # the frozen backbone runs at every step
        return extract_features(pictures, self._features, self._fn_args.seed)
