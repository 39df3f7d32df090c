from pathlib import Path

import hypothesis
import pytest
import tensorflow as tf
from hypothesis import strategies as st

from components.errors import DataError
from components.image_example_gen.records import parse_example, read_records
from components.image_example_gen.sources import list_source, source_fingerprint
from components.image_example_gen.tfrecords import read_images


def example(**features) -> bytes:
    kinds = {bytes: "bytes_list", float: "float_list", int: "int64_list"}
    message = tf.train.Example()
    for name, values in features.items():
        values = values if isinstance(values, list) else [values]
        feature = message.features.feature[name.replace("__", "/")]
        getattr(feature, kinds[type(values[0])]).value.extend(values)
    return message.SerializeToString()


def write(path: Path, *records: bytes, gzip: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), "GZIP" if gzip else None) as writer:
        for record in records:
            writer.write(record)
    return path


floats = st.floats(width=32, allow_nan=False)
ints = st.integers(-(2**63), 2**63 - 1)
lists = st.one_of(*(st.lists(kind, min_size=1) for kind in (st.binary(), floats, ints)))


@hypothesis.given(st.dictionaries(st.text(), lists))
def test_examples_parse_as_tensorflow_wrote_them(features):
    parsed = parse_example(example(**{name: values for name, values in features.items()}))
    plain = {name.replace("__", "/"): values for name, values in features.items()}
    assert {
        name: [bytes(v) if isinstance(v, memoryview) else v for v in values]
        for name, values in parsed.items()
    } == plain


@hypothesis.given(st.binary())
def test_other_bytes_are_an_error_or_nothing_but_never_a_crash(data):
    try:
        parse_example(data)
    except ValueError:
        pass


@pytest.mark.parametrize("gzip", [True, False])
def test_records_read_as_tensorflow_wrote_them(tmp_path, gzip):
    records = [b"", b"a", bytes(100_000)]
    assert list(read_records(str(write(tmp_path / "x", *records, gzip=gzip)))) == records


@pytest.mark.parametrize("gzip", [True, False])
def test_a_cut_off_file_is_named_with_the_record(tmp_path, gzip):
    path = write(tmp_path / "a.tfrecord", bytes(range(256)) * 9, bytes(2000), gzip=gzip)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(DataError, match=r"a.tfrecord: is cut off or damaged at record [12]"):
        list(read_records(str(path)))


def test_a_file_that_is_no_tfrecord_is_named(tmp_path):
    (tmp_path / "a.tfrecord").write_bytes(b"path,label\n1.jpg,cat\n")
    with pytest.raises(DataError, match="record 0 has no valid length"):
        list_source(str(tmp_path))


def test_records_of_this_project_and_of_tensorflows_tools_are_understood(tmp_path):
    ours = example(
        image=b"1", label=b"cat", path=b"c/1.jpg", group=b"g", id=b"i", column__site=b"north"
    )
    slim = example(image__encoded=b"2", image__class__label=7, image__format=b"jpeg", bbox=[1, 2])
    write(tmp_path / "Split-val" / "data_tfrecord-00000-of-00001.gz", ours)
    write(tmp_path / "Split-train" / "data_tfrecord-00000-of-00001.gz", slim)
    listing = list_source(str(tmp_path))
    train, val = listing.entries
    assert (val.path, val.label, val.split, val.columns) == (
        "c/1.jpg",
        "cat",
        "eval",
        {"site": "north"},
    )
    assert train.path == "Split-train/data_tfrecord-00000-of-00001.gz#0"
    assert (train.label, train.split, train.columns) == ("7", "train", {"image/format": "jpeg"})
    assert listing.columns == ("image/format", "site")
    assert listing.fingerprint == source_fingerprint(str(tmp_path))


def test_images_of_wanted_records_come_one_by_one(tmp_path):
    path = write(tmp_path / "x.tfrecord", *(example(image=b"%d" % i) for i in range(9)))
    assert list(read_images(str(path), [1, 4, 8])) == [b"1", b"4", b"8"]


@pytest.mark.parametrize(
    "record, message",
    [
        (example(image=b"1"), "record 0 has no label; name the features label or image/class/"),
        (example(label=b"1"), "record 0 has no image; name the features image or image/encoded"),
        (example(image=b"1", label=b"1", split=b"x"), "record 0: there is no split 'x'"),
        (b"\xff\xff", "record 0 is no Example"),
    ],
    ids=["no label", "no image", "no such split", "no Example"],  # bytes of a proto change
)
def test_a_record_that_says_too_little_is_named(tmp_path, record, message):
    write(tmp_path / "x.tfrecord", record)
    with pytest.raises(DataError, match=message):
        list_source(str(tmp_path))
