import numpy as np
import pytest
import tensorflow as tf
from trainer_samples import train_section

from components.trainer.data import Data
from components.trainer.input_pipeline import Features, Pictures
from components.trainer.records import load_preprocessing

PHASES = [("head", 1, 1e-2), ("head", 1, 1e-3), ("all", 1, 1e-3), ("head", 1, 1e-3)]


def mean_colour(images):
    return tf.reduce_mean(images, [1, 2])


@pytest.fixture
def make_data(make_fn_args):
    def make(**changes):
        fn_args = make_fn_args(train=train_section(*PHASES), **changes)
        return Data(fn_args, load_preprocessing(fn_args.preprocessing), mean_colour)

    return make


def test_the_head_only_phases_in_front_read_the_given_features(make_data, features):
    data = make_data(**features)
    assert data.train_size == 50
    for phase in (0, 1):
        train, held_out, size = data.for_phase(phase)
        assert isinstance(train, Features) and size == 19
        [(vectors, _)] = held_out
        assert vectors.shape == (19, 8)  # the tiny module's


def test_phases_after_them_read_pictures_and_features_of_the_backbone_as_it_is(make_data, features):
    data = make_data(**features)
    train, held_out, size = data.for_phase(2)
    assert isinstance(train, Pictures) and size == 19
    assert held_out.element_spec[0].shape.rank == 4

    train, held_out, size = data.for_phase(3)
    assert isinstance(train, Pictures) and size == 19  # augmented: another picture in each epoch
    [(vectors, _)] = held_out
    assert vectors.shape == (19, 3)  # mean_colour's


def test_without_given_features_every_head_only_phase_computes_its_own(make_data):
    data = make_data()
    for phase in (0, 3):
        train, _, _ = data.for_phase(phase)
        assert isinstance(train, Features)
        [(vectors, _)] = train.whole(50)
        assert vectors.shape == (50, 3)
    assert isinstance(data.for_phase(2)[0], Pictures)


def test_given_features_need_no_pictures(make_data, features):
    data = make_data(**features, train_files=(), eval_files=())
    train, _, _ = data.for_phase(0)
    labels = np.concatenate([y.numpy() for _, y in train.batches(50, 0, 1)])
    assert len(labels) == 50
