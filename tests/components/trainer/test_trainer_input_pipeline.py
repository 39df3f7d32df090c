import numpy as np
import pytest
import tensorflow as tf
from trainer_samples import LABELS, SIZE, picture, write_split

from components.errors import DataError
from components.image_transform.decoding import decode
from components.trainer.input_pipeline import (
    Features,
    Pictures,
    eval_batches,
    hold,
    load_features,
    served_batches,
)
from components.trainer.records import (
    FEATURE,
    Vocabulary,
    files_by_view,
    load_preprocessing,
    load_records,
    record_files,
    room,
    take_over,
)


def read(dataset):
    """All batches as (inputs, labels) arrays, one after the other."""
    return [(x.numpy(), y.numpy()) for x, y in dataset]


def equal(a, b):
    return len(a) == len(b) and all(
        np.array_equal(x, u) and np.array_equal(y, v) for (x, y), (u, v) in zip(a, b, strict=True)
    )


@pytest.fixture(params=["in memory", "from files"])
def make_pictures(request, examples, augmenting):
    def make(folder=augmenting, seed=4, split=examples):
        limit = 1 << 30 if request.param == "in memory" else 1
        return Pictures(record_files(split, "train"), load_preprocessing(folder), seed, limit)

    return make


def test_an_epoch_shows_each_picture_at_most_once_in_whole_batches(make_pictures, preprocessing):
    batches = read(make_pictures(preprocessing).batches(8, 0, 1))
    assert [x.shape for x, _ in batches] == [(8, *SIZE, 3)] * 6
    pictures = {image.tobytes() for x, _ in batches for image in x}
    assert len(pictures) == 48
    x = batches[0][0]
    assert x.dtype == np.float32 and x.min() >= 0 and 0.9 < x.max() <= 1


def test_epochs_differ_in_order_and_views(make_pictures):
    first, second = (read(make_pictures().batches(8, epoch, 1)) for epoch in (0, 1))
    assert not np.array_equal(*([y for _, y in epoch] for epoch in (first, second)))
    seen = {image.tobytes() for x, _ in first for image in x}
    assert not seen & {image.tobytes() for x, _ in second for image in x}


def test_order_and_views_are_a_function_of_seed_and_epoch(make_pictures):
    two = read(make_pictures().batches(8, 3, 2))
    assert len(two) == 12
    assert equal(two[:6], read(make_pictures().batches(8, 3, 1)))
    assert equal(two[6:], read(make_pictures().batches(8, 4, 1)))
    assert not equal(two, read(make_pictures(seed=5).batches(8, 3, 2)))


def test_a_start_inside_an_epoch_goes_on_where_it_would_have(make_pictures):
    whole = read(make_pictures().batches(8, 0, 2))
    assert equal(whole[4:], read(make_pictures().batches(8, 0, 2, start=4)))


def test_a_view_is_what_the_augmentation_graph_draws_for_id_and_epoch(examples, augmenting):
    settings = load_preprocessing(augmenting)
    pictures = Pictures(record_files(examples, "train"), settings, 4)
    ((images, labels),) = read(pictures.batches(50, 7, 1))
    shown = {(x.tobytes(), y) for x, y in zip(images, labels, strict=True)}
    graph = tf.saved_model.load(f"{augmenting}/augmentation")
    for number, label in ((0, "bars"), (13, "dots")):
        view = graph.augment(
            decode(tf.constant(picture(label, number))),
            tf.constant(f"{number:016x}"),
            tf.constant(7, tf.int64),
        )
        assert (
            (view.numpy().astype(np.float32) * np.float32(1 / 255)).tobytes(),
            LABELS.index(label),
        ) in shown


def test_mixed_batches_have_mixed_labels_and_come_again_after_a_resumption(make_pictures, mixing):
    whole = read(make_pictures(mixing).batches(8, 0, 2))
    assert equal(whole[4:], read(make_pictures(mixing).batches(8, 0, 2, start=4)))
    shares = np.concatenate([labels for _, labels in whole])
    assert shares.shape == (96, len(LABELS)) and shares.dtype == np.float32
    np.testing.assert_allclose(shares.sum(-1), 1, atol=1e-5)
    assert np.mean(shares.max(-1) < 0.99) > 0.3
    first, again = whole[0], read(make_pictures(mixing).batches(8, 1, 1))[0]
    assert not np.array_equal(first[1], again[1])


def test_pictures_are_mixed_in_the_trainer_alone(examples, mixing):
    settings = load_preprocessing(mixing)
    assert settings.augmented  # by its flips
    assert not settings._replace(augment=[{"op": "mixup"}]).augmented
    batches, _ = eval_batches(record_files(examples, "train"), settings, 16)
    assert all(labels.dtype == tf.int32 for _, labels in batches)


def test_how_the_records_lie_in_files_does_not_matter(preprocessing, examples, tmp_path):
    write_split(tmp_path, "train", 50, files=5)
    settings = load_preprocessing(preprocessing)
    one, other = (
        read(Pictures(record_files(folder, "train"), settings, 4).batches(8, 0, 1))
        for folder in (examples, tmp_path)
    )
    assert equal(one, other)


def test_vectors_are_in_memory_once():
    vectors = room([100, 8], np.dtype(np.float32))
    held = take_over(vectors)
    vectors[7, 3] = 5.0
    assert held[7, 3] == 5.0


def test_without_augmentation_training_sees_what_is_served(examples, preprocessing):
    settings = load_preprocessing(preprocessing)
    files = record_files(examples, "train")
    (trained, _), *_ = read(Pictures(files, settings, 4).batches(50, 0, 1))
    served = np.concatenate([b["image"].numpy() for b in served_batches(files, settings, 16)])
    assert {x.tobytes() for x in trained} == {x.tobytes() for x in served}


def test_features_come_in_the_order_of_the_pictures(examples, preprocessing):
    settings, files = load_preprocessing(preprocessing), record_files(examples, "train")
    records = load_records(
        files,
        {"label": tf.io.FixedLenFeature([], tf.string), "id": tf.io.FixedLenFeature([], tf.string)},
    )
    numbers = Vocabulary(LABELS).numbers(records["label"])
    features = Features(hold(np.arange(50, dtype=np.float32)[None, :, None]), 1, numbers, 4)
    by_features = [y for _, y in read(features.batches(8, 2, 2, start=3))]
    by_pictures = [y for _, y in read(Pictures(files, settings, 4).batches(8, 2, 2, start=3))]
    assert np.array_equal(by_features, by_pictures)


@pytest.fixture(params=["in memory", "from files"])
def given_features(request, features):
    limit = 1 << 30 if request.param == "in memory" else 1
    return load_features(features["train_feature_files"], Vocabulary(LABELS), 4, limit)


def test_an_epoch_learns_from_the_view_of_its_number_modulo_the_views(given_features, features):
    views = [
        load_records(files, FEATURE) for files in files_by_view(features["train_feature_files"])
    ]
    assert [set(view["view"]) for view in views] == [{0}, {1}]
    for epoch in range(5):
        shown = np.concatenate([x for x, _ in read(given_features.batches(8, epoch, 1))])
        assert {x.tobytes() for x in shown} < {x.tobytes() for x in views[epoch % 2]["feature"]}
        assert not {x.tobytes() for x in shown} & {
            x.tobytes() for x in views[(epoch + 1) % 2]["feature"]
        }


def test_features_start_inside_an_epoch_in_the_order_of_pictures(
    given_features, examples, augmenting
):
    whole = read(given_features.batches(8, 1, 3))
    assert len(whole) == 18
    assert equal(whole[4:], read(given_features.batches(8, 1, 3, start=4)))
    pictures = Pictures(record_files(examples, "train"), load_preprocessing(augmenting), 4)
    by_pictures = [y for _, y in read(pictures.batches(8, 1, 3))]
    assert np.array_equal([y for _, y in whole], by_pictures)


def test_the_eval_split_comes_whole_and_twice_the_same(examples, preprocessing):
    batches, size = eval_batches(
        record_files(examples, "eval"), load_preprocessing(preprocessing), 8
    )
    first, again = read(batches), read(batches)
    assert size == 19
    assert [len(y) for _, y in first] == [8, 8, 3]
    assert equal(first, again)


def test_empty_splits_are_empty(preprocessing, tmp_path):
    settings = load_preprocessing(preprocessing)
    batches, size = eval_batches((), settings, 8)
    assert size == 0 and not list(batches)
    assert load_features((), Vocabulary(LABELS), 0).size == 0
    assert Pictures((), settings, 0).size == 0
    assert record_files(tmp_path, "eval") == ()


def test_an_unknown_label_names_itself_and_the_known_ones(make_pictures, tmp_path, preprocessing):
    write_split(tmp_path, "train", 4, labels=("bars", "zigzag"))
    with pytest.raises(DataError, match=r"'zigzag' .* \(bars, dots, plain\)"):
        make_pictures(preprocessing, split=tmp_path)


def test_hidden_files_and_odd_folder_names_are_no_trouble(tmp_path):
    folder = tmp_path / "a[1] folder*"
    write_split(folder, "train", 3, files=1)
    (folder / "Split-train" / ".hidden.gz").write_text("")
    assert len(record_files(folder, "train")) == 1
