"""What a phase trains on: pictures, or the feature vectors of a backbone that stands still."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from components.errors import DataError
from components.trainer.fn_args import FnArgs
from components.trainer.input_pipeline import (
    Pictures,
    TrainData,
    eval_batches,
    extract_features,
    load_features,
)
from components.trainer.records import Preprocessing, Vocabulary

EVAL_BATCH = 64
"""Pictures that are evaluated at once."""


class Data:
    """The train and the eval split, each as cheap as the phase allows."""

    def __init__(
        self,
        fn_args: FnArgs,
        preprocessing: Preprocessing,
        features: Callable[[tf.Tensor], tf.Tensor],
    ):
        """Args:
        fn_args: the files.
        preprocessing: vocabulary, image size, augmentation.
        features: images -> feature vectors, inference mode, by the backbone as it is at a call.

        Raises:
          DataError: no training pictures, or a label that the vocabulary lacks.
        """
        self._features, self._preprocessing, self._seed = features, preprocessing, fn_args.seed
        self._given = bool(fn_args.train_feature_files)
        self._train_files = fn_args.train_files
        self._vocabulary = Vocabulary(preprocessing.labels)
        self._train: TrainData
        if self._given:
            self._train = load_features(fn_args.train_feature_files, self._vocabulary, self._seed)
            held_out = load_features(fn_args.eval_feature_files, self._vocabulary, self._seed)
            self._eval, self._eval_size = held_out.whole(1024), held_out.size
        else:
            self._train = Pictures(fn_args.train_files, preprocessing, fn_args.seed)
            self._eval, self._eval_size = eval_batches(
                fn_args.eval_files, preprocessing, EVAL_BATCH
            )
        if not self._train.size:
            raise DataError("the train split is empty; give data.split.train a larger share")

    @property
    def train_size(self) -> int:
        """Examples in the train split."""
        return self._train.size

    def train_counts(self) -> np.ndarray:
        """Pictures of each class in the train split, int [classes]."""
        return self._vocabulary.counts(self._train_files)

    def for_phase(self, train: str | Sequence[str]) -> tuple[TrainData, tf.data.Dataset, int]:
        """What a phase reads.

        A head-only phase sees each eval picture's feature vector, computed once as the phase
        begins; the same for the train split, unless its pictures change with every epoch.

        Args:
          train: as in the configuration: "head", "all" or patterns.

        Returns:
          The train split; the eval split as batches of (inputs, class numbers); and its size.
        """
        if self._given or train != "head":
            return self._train, self._eval, self._eval_size
        held_out = extract_features(self._eval, self._features, self._seed)
        return self._train_on_features(), held_out.whole(1024), held_out.size

    def _train_on_features(self) -> TrainData:
        assert isinstance(self._train, Pictures)
        pictures = None if self._preprocessing.augmented else self._train.once(EVAL_BATCH)
        if pictures is None:
            return self._train  # the frozen backbone runs at every step
        return extract_features(pictures, self._features, self._seed)
