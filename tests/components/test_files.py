"""The same helpers on a disk and on another file system of TensorFlow's."""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import tensorflow as tf

from components import files


@pytest.fixture(params=["disk", "ram"])
def root(request, tmp_path):
    return str(tmp_path) if request.param == "disk" else f"ram://{uuid.uuid4().hex}"


@pytest.fixture
def folder(root):
    """a.json, b/c.json and the hidden .d."""
    folder = os.path.join(root, "folder")
    for place, name in ((folder, "a.json"), (f"{folder}/b", "c.json"), (folder, ".d")):
        tf.io.gfile.makedirs(place)
        files.write_json(place, name, name)
    return folder


def test_what_is_written_is_read(root):
    tf.io.gfile.makedirs(root)
    files.write_json(root, "x.json", {"é": [1, None]})
    path = os.path.join(root, "x.json")
    assert files.read_json(path) == {"é": [1, None]}
    with files.reading(path) as file:
        assert [line.strip() for line in file][-2:] == [b"]", b"}"]
    assert files.names(root) == ["x.json"]


def test_a_folder_is_listed_measured_emptied_and_removed(folder):
    assert files.names(folder) == [".d", "a.json", "b"]
    assert files.split_files(folder) == [f"{folder}/a.json", f"{folder}/b"]
    assert files.size(folder) == len('"a.json"\n"c.json"\n".d"\n')
    assert files.size(f"{folder}/a.json") == len('"a.json"\n')
    files.empty(folder)
    assert files.exists(folder) and files.names(folder) == []
    files.remove(folder)
    assert not files.exists(folder)


def test_what_is_not_there_is_nothing_or_a_file_that_is_not_found(root):
    nowhere = os.path.join(root, "nowhere")
    assert not files.exists(nowhere)
    assert files.names(nowhere) == [] and files.size(nowhere) == 0
    files.remove(nowhere)
    with pytest.raises(FileNotFoundError):
        files.read_json(nowhere)


def test_a_folder_is_brought_to_a_disk_without_hidden_files(folder, tmp_path):
    with files.on_disk(folder) as place:
        assert json.loads((place / "b" / "c.json").read_text()) == "c.json"
    assert place.exists() == (not files.in_bucket(folder))
    files.copy_folder(folder, tmp_path / "copy")
    found = sorted(p.name for p in (tmp_path / "copy").rglob("*") if p.is_file())
    assert found == ["a.json", "c.json"]
    with files.on_disk(f"{folder}/a.json") as place:
        assert place.read_text() == '"a.json"\n'


def test_a_folder_takes_the_place_of_what_was_there(folder):
    with files.writing(folder) as place:
        Path(place, "inside").mkdir(parents=True)
        Path(place, "inside", "new").write_text("new")
    assert files.names(folder) == ["inside"]
    with files.reading(f"{folder}/inside/new") as file:
        assert file.read() == b"new"


def test_what_fails_while_it_is_written_is_not_there(root):
    tf.io.gfile.makedirs(root)
    with pytest.raises(ValueError), files.writing(os.path.join(root, "x")) as place:
        Path(place).write_text("half")
        raise ValueError
    assert not files.exists(os.path.join(root, "x"))


def test_the_disk_does_without_tensorflow(tmp_path):
    code = (
        "import sys; from components import content, files, progress\n"
        f"files.write_json({str(tmp_path)!r}, 'a', 1); files.read_json({str(tmp_path / 'a')!r})\n"
        f"content.content_hash({str(tmp_path)!r}); progress.Progress({str(tmp_path)!r}).add(1)\n"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_address_of_a_bucket_stays_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert files.absolute("gs://bucket/a") == "gs://bucket/a"
    assert files.absolute("a") == str(tmp_path / "a")
