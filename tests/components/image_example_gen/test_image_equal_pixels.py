"""Evaluation and serving see the same pixels, whatever the format of the file."""

from pathlib import Path

import image_example_gen_launch as launch
import nasty
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from components.image_example_gen.normalising import normalised
from components.image_transform.preprocessing import Frame
from components.trainer.input_pipeline import served_batches
from components.trainer.records import Preprocessing, record_files
from components.trainer.signatures import ServedModel, export

RNG = np.random.default_rng(0)
LABELS = ["cat", "dog"]


def exif(orientation):
    found = PIL.Image.Exif()
    found[0x0112] = orientation
    return found


def sixteen(kind):
    deep = RNG.integers(0, 2**16, (60, 80), dtype=np.uint16)
    return nasty.encoded(PIL.Image.fromarray(deep), kind)


def of(kind, mode="RGB", **options):
    return nasty.encoded(nasty.picture(RNG).convert(mode), kind, **options)


FILES = {
    **{f"exif_{turn}.jpg": of("JPEG", exif=exif(turn)) for turn in range(1, 9)},
    "cmyk.jpg": of("JPEG", "CMYK"),
    "grey.jpg": of("JPEG", "L"),
    "progressive.jpg": of("JPEG", progressive=True),
    "rgb.png": of("PNG"),
    "palette.png": of("PNG", "P"),
    "alpha.png": of("PNG", "RGBA"),
    "grey_alpha.png": of("PNG", "LA"),
    "one_bit.png": of("PNG", "1"),
    "sixteen.png": sixteen("PNG"),
    "moving.gif": of("GIF", save_all=True, append_images=[nasty.picture(RNG)]),
    "rgb.bmp": of("BMP"),
    "palette.bmp": of("BMP", "P"),
    "lossy.webp": of("WEBP"),
    "alpha.webp": of("WEBP", "RGBA", lossless=True),
    "rgb.tif": of("TIFF"),
    "cmyk.tif": of("TIFF", "CMYK"),
    "sixteen.tif": sixteen("TIFF"),
    "turned.tif": of("TIFF", tiffinfo={0x0112: 6}),
}


class Pixels(tf.Module):
    """In a backbone's and a head's place: hands on what it is given."""

    def __call__(self, given):
        return {"default": tf.reshape(given, [tf.shape(given)[0], 30 * 40 * 3])}


class Same(tf.Module):
    """A head that adds nothing."""

    def __call__(self, given):
        return given


@pytest.fixture(scope="module")
def ingested(tmp_path_factory):
    folder = tmp_path_factory.mktemp("formats")
    for number, (name, data) in enumerate(FILES.items()):
        path = folder / LABELS[number % 2] / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    split = '{"train": 0.5, "eval": 0.2, "test": 0.3}'
    return launch.run(tmp_path_factory.mktemp("run"), folder, split=split)


@pytest.fixture(scope="module")
def settings():
    classes = [f"{number:04}" for number in range(30 * 40 * 3)]
    return Preprocessing(classes, Frame((30, 40), 0.9), "none", "")


def test_evaluation_and_the_served_model_see_equal_pixels_of_every_format(
    ingested, settings, tmp_path
):
    folder = str(tmp_path / "served")
    export(ServedModel(Pixels(), Same(), settings), folder, {})
    model = tf.saved_model.load(folder)
    evaluated, served = model.signatures["serving_examples"], model.signatures["serving_default"]
    examples = Path(ingested.outputs["examples"].uri)
    seen = {}
    for split in ("train", "eval", "test"):
        files = record_files(str(examples), split)
        for record in tf.data.TFRecordDataset(files, "GZIP"):
            feature = tf.train.Example.FromString(record.numpy()).features.feature
            name = Path(feature["path"].bytes_list.value[0].decode()).name
            seen[name] = evaluated(examples=record[None])["probabilities"].numpy()
    assert set(seen) == set(FILES)
    for name, data in FILES.items():
        sent = normalised(data, 10**6)  # WebP and TIFF, as `graft predict` does
        assert (sent == data) == (Path(name).suffix not in (".webp", ".tif")), name
        answer = served(image_bytes=tf.constant([sent]))["probabilities"].numpy()
        np.testing.assert_array_equal(answer, seen[name], name)
    assert len({pixels.tobytes() for pixels in seen.values()}) == len(FILES)


def test_training_watches_the_eval_split_through_the_same_pixels(ingested, settings):
    examples = ingested.outputs["examples"].uri
    preprocess, count = settings.serving(), 0
    for split in ("train", "eval", "test"):
        by_id = {
            record["id"]: normalised(FILES[Path(record["path"].decode()).name], 10**6)
            for record in ingested.records(split)
        }
        for batch in served_batches(record_files(examples, split), settings, 8):
            for id, image in zip(batch["id"].numpy(), batch["image"].numpy(), strict=True):
                expected = preprocess(tf.constant(by_id[id])).numpy()
                np.testing.assert_array_equal(image, expected)
                count += 1
    assert count == len(FILES)
