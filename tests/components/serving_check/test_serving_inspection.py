import shutil

import pytest
import tensorflow as tf
import tiny_served
from google.protobuf.message import DecodeError
from tensorflow.core.framework.graph_debug_info_pb2 import GraphDebugInfo

from components.serving_check.inspection import absolute_paths, python_functions


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound") / "model"
    return tiny_served.save(tiny_served.Served(tiny_served.NAMES), folder)


@pytest.fixture
def copy(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "model")


def test_a_sound_model_holds_neither(sound):
    assert python_functions(sound) == []
    assert absolute_paths(sound) == []


@pytest.mark.parametrize("call", [tf.py_function, tf.numpy_function])
def test_a_call_of_python_is_found_wherever_it_is(tmp_path, call):
    class Nested(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
        def serving_default(self, x):
            return {"y": tf.map_fn(lambda v: call(lambda u: u, [v], tf.float32), x)}

    (found,) = python_functions(tiny_served.save(Nested(), tmp_path))
    assert "PyFunc" in found


def test_a_file_that_the_graph_reads_is_found(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("\n".join(tiny_served.NAMES))
    folder = tiny_served.save(tiny_served.ReadsAFile(str(path)), tmp_path / "model")
    assert absolute_paths(folder) == [f"{path} (in saved_model.pb)"]


@pytest.mark.parametrize(
    "text",
    ["file:///tmp/data/names.txt", '{"source": "/tmp/data/names.txt"}', "read from:/tmp/data/x"],
)
def test_a_path_inside_a_text_is_found(copy, text):
    (copy / "assets" / "about.json").write_text(text)
    (found,) = absolute_paths(copy)
    assert found.startswith("/tmp/data/") and found.endswith(" (in assets/about.json)")


def test_the_places_of_source_code_are_found(copy):
    (copy / "debug").mkdir()
    info = GraphDebugInfo(files=["/usr/lib/code.py"]).SerializeToString()
    (copy / "debug" / "saved_model_debug_info.pb").write_bytes(info)
    assert absolute_paths(copy) == ["/usr/lib/code.py (in debug/saved_model_debug_info.pb)"]


@pytest.mark.parametrize(
    "text",
    [
        "/cat",
        "/no_such_folder/cat",
        "cat/tmp/dog",
        "https://host/tmp/cat",
        "gs://tmp/usr/cat",
        "./tmp/cat",
        "StatefulPartitionedCall/tmp/while/body",
        "a / b / c",
    ],
)
def test_what_only_looks_like_a_path_is_none(copy, text):
    (copy / "assets" / "about.txt").write_text(text)
    assert absolute_paths(copy) == []


def test_a_label_is_no_path_whatever_it_looks_like(tmp_path):
    names = ["/tmp/my cats/a", "/usr/dog", "red"]
    colours = dict(zip(names, tiny_served.tiny.COLOURS.values(), strict=True))
    folder = tiny_served.save(tiny_served.Served(names, colours=colours), tmp_path)
    assert absolute_paths(folder, names) == []
    assert len(absolute_paths(folder)) == 2


def test_what_is_no_saved_model_is_said(copy):
    (copy / "saved_model.pb").write_bytes(b"\xff" * 100)
    with pytest.raises(DecodeError):
        python_functions(copy)
