import json
import os
import subprocess
import sys
import time
from pathlib import Path

import nasty
import numpy as np
import pytest

from components.errors import DataError
from components.image_example_gen.sources import (
    Reject,
    check_listing,
    check_rejects,
    group_column,
    list_source,
    list_spans,
    resolve_spans,
    source_fingerprint,
    spans_fingerprint,
)

PICTURE = nasty.encoded(nasty.picture(np.random.default_rng(0)), "JPEG")


def make(folder: Path, *names: str, data: bytes = PICTURE) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def paths(listing) -> dict[str, str]:
    return {entry.path: entry.label for entry in listing.entries}


# A folder of class folders


def test_a_picture_belongs_to_the_class_of_its_first_folder_at_any_depth(tmp_path):
    make(tmp_path, "cat/1.jpg", "cat/2025/may/2.PNG", "dog/3.bmp")
    listing = list_source(str(tmp_path))
    assert paths(listing) == {"cat/1.jpg": "cat", "cat/2025/may/2.PNG": "cat", "dog/3.bmp": "dog"}
    assert listing.labels() == {"cat": 2, "dog": 1}


def test_what_no_one_takes_for_a_picture_is_passed_over_and_counted(tmp_path):
    make(tmp_path, "cat/1.jpg", "dog/2.jpg", "dog/notes.txt", "dog/clip.mp4", "README")
    make(tmp_path, "cat/.hidden.jpg", "cat/Thumbs.db", "__MACOSX/cat/._1.jpg", ".git/x/y.png")
    listing = list_source(str(tmp_path))
    assert set(paths(listing)) == {"cat/1.jpg", "dog/2.jpg"}
    assert not listing.rejects
    assert listing.notes == (
        "passed over, for their names are no picture's: 1 .mp4, 1 .txt, 1 without extension",
    )


def test_a_class_folder_without_pictures_is_a_class_with_none(tmp_path):
    make(tmp_path, "cat/1.jpg", "dog/1.jpg")
    (tmp_path / "horse").mkdir()
    listing = list_source(str(tmp_path))
    assert listing.labels() == {"cat": 1, "dog": 1, "horse": 0}
    with pytest.raises(DataError, match=r"fewer than 1 pictures: horse \(0\)"):
        check_listing(listing, min_per_class=1)


def test_links_are_followed_but_no_folder_is_read_twice_for_a_class(tmp_path):
    make(tmp_path, "elsewhere/9.jpg", "images/cat/in/1.jpg", "images/dog/2.jpg")
    root = tmp_path / "images"
    (root / "cat" / "a_link").symlink_to(root / "cat" / "in")
    (root / "dog" / "more").symlink_to(tmp_path / "elsewhere")
    (root / "up").symlink_to(tmp_path)
    listing = list_source(str(root))
    assert set(paths(listing)) == {"cat/in/1.jpg", "dog/2.jpg", "dog/more/9.jpg"}
    assert listing.rejects == (Reject("up", "is a link to a folder that it lies in"),)


def test_train_and_test_folders_of_classes_are_splits_not_classes(tmp_path):
    make(tmp_path, "train/cat/1.jpg", "train/dog/2.jpg", "Val/cat/3.jpg", "test/dog/4.jpg")
    make(tmp_path, "train/stray.jpg")
    listing = list_source(str(tmp_path))
    assert {e.path: (e.label, e.split) for e in listing.entries} == {
        "train/cat/1.jpg": ("cat", "train"),
        "train/dog/2.jpg": ("dog", "train"),
        "Val/cat/3.jpg": ("cat", "eval"),
        "test/dog/4.jpg": ("dog", "test"),
    }
    assert "are taken as splits" in listing.notes[0]
    assert [reject.path for reject in listing.rejects] == ["train/stray.jpg"]


def test_folders_named_train_and_test_with_pictures_in_them_are_classes(tmp_path):
    make(tmp_path, "train/1.jpg", "test/2.jpg")
    assert list_source(str(tmp_path)).labels() == {"test": 1, "train": 1}


@pytest.mark.parametrize(
    "files, message",
    [
        (["1.jpg", "2.jpg"], "2 pictures, but no class folders"),
        (["notes.txt"], "there are no class folders"),
        (["cat/1.jpg"], "one class only, 'cat'"),
        (["cat/notes.txt", "dog/notes.txt"], "holds no pictures; passed over.*2 .txt"),
        (["cat/1.jpg", "cat/2.jpg", "dog/3.jpg"], r"of 2 classes.*fewer than 2.*dog \(1\);"),
    ],
)
def test_a_folder_that_cannot_be_learnt_from_is_one_clear_message(tmp_path, files, message):
    make(tmp_path, *files)
    with pytest.raises(DataError, match=message):
        check_listing(list_source(str(tmp_path)))


@pytest.mark.parametrize(
    "source, message",
    [
        ("/no/such/folder", "there is no such folder or file"),
        (__file__, "is a file, but no manifest"),
        ("gs://bucket/images", "remote folders"),
        ("builtin://cars", "builtin://digits and builtin://solar_cells"),
    ],
)
def test_a_source_that_is_none_is_one_clear_message(source, message):
    with pytest.raises(DataError, match=message):
        list_source(source)


def test_names_in_any_bytes_become_valid_text(tmp_path):
    made = nasty.make_nasty(tmp_path)
    listing = list_source(str(tmp_path))
    listed = {entry.path for entry in listing.entries}
    assert made.good <= listed
    assert "cat/caf\\xe9.jpg" in listed
    json.dumps([entry.path for entry in listing.entries], ensure_ascii=False).encode()
    assert len({entry.id for entry in listing.entries}) == len(listed)


def test_the_order_mixes_the_classes_and_does_not_depend_on_other_pictures(tmp_path):
    make(tmp_path, *(f"{label}/{i}.jpg" for label in "ab" for i in range(20)))
    before = [entry.id for entry in list_source(str(tmp_path)).entries]
    labels = "".join(entry.label for entry in list_source(str(tmp_path)).entries)
    assert labels not in ("a" * 20 + "b" * 20, "b" * 20 + "a" * 20)
    make(tmp_path, "c/1.jpg")
    after = [e.id for e in list_source(str(tmp_path)).entries if e.label != "c"]
    assert before == after


# The fingerprint


def test_the_fingerprint_sees_moves_and_replacements_and_nothing_else(tmp_path):
    make(tmp_path, "cat/1.jpg", "cat/2.jpg", "dog/1.jpg")
    seen = [list_source(str(tmp_path)).fingerprint]

    def now_differs() -> bool:
        seen.append(list_source(str(tmp_path)).fingerprint)
        assert seen[-1] == source_fingerprint(str(tmp_path))
        return seen[-1] not in seen[:-1]

    make(tmp_path, "dog/notes.txt", ".DS_Store")
    assert not now_differs()
    (tmp_path / "cat/2.jpg").rename(tmp_path / "dog/2.jpg")  # keeps size, time and number of files
    assert now_differs()
    status = (tmp_path / "cat/1.jpg").stat()
    make(tmp_path, "cat/1.jpg", data=PICTURE[:-1] + b"\0")
    os.utime(tmp_path / "cat/1.jpg", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert now_differs()


@pytest.mark.parametrize(
    "source, names",
    [
        ("", ("cat/1.jpg", "dog/1.jpg")),
        ("list.csv", ("cat/1.jpg", "dog/1.jpg")),
        ("", ("1.tfrecord", "2.tfrecord")),
    ],
)
def test_files_of_one_size_and_time_that_swap_names_are_seen(tmp_path, source, names):
    make(tmp_path, *names)
    if source:
        write_manifest(tmp_path, "path,label\ncat/1.jpg,cat\ndog/1.jpg,dog\n")
    one, two = (tmp_path / name for name in names)
    for path in (one, two):
        os.utime(path, ns=(0, 0))  # as after a copy that sets times
    before = source_fingerprint(str(tmp_path / source))
    one.rename(tmp_path / "kept")
    two.rename(one)
    (tmp_path / "kept").rename(two)
    assert source_fingerprint(str(tmp_path / source)) != before


def test_a_folder_moved_as_a_whole_keeps_its_fingerprint(tmp_path):
    make(tmp_path / "a", "cat/1.jpg", "dog/1.jpg")
    before = list_source(str(tmp_path / "a")).fingerprint
    (tmp_path / "a").rename(tmp_path / "b")
    assert list_source(str(tmp_path / "b")).fingerprint == before


# Manifests


def write_manifest(folder: Path, text: str | bytes, name: str = "list.csv") -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_a_manifest_names_path_label_split_and_further_columns(tmp_path):
    make(tmp_path, "x/1.jpg", "2.jpg", "3.jpg")
    text = 'Path,label,SPLIT,site,note\nx/1.jpg,cat,,north,"a, b"\n2.jpg,dog,Validation,,\n'
    listing = list_source(write_manifest(tmp_path, text + f"{tmp_path}/3.jpg,dog,test,south,\n"))
    found = {e.path: (e.label, e.split, dict(e.columns)) for e in listing.entries}
    assert found == {
        "x/1.jpg": ("cat", None, {"site": "north", "note": "a, b"}),
        "2.jpg": ("dog", "eval", {}),
        f"{tmp_path}/3.jpg": ("dog", "test", {"site": "south"}),
    }
    assert listing.columns == ("note", "site")


@pytest.mark.parametrize(
    "name, text",
    [
        ("list.csv", "\ufeffpath;label\r\n1.jpg;Katze\r\n2.jpg;Hund\r\n"),  # a German Excel
        ("list.tsv", "path\tlabel\n1.jpg\tKatze\n\n2.jpg\tHund\n"),
        ("list.jsonl", '{"path": "1.jpg", "label": "Katze"}\n\n{"label": "Hund", "path": "2.jpg"}'),
    ],
)
def test_a_manifest_may_be_written_in_several_ways(tmp_path, name, text):
    make(tmp_path, "1.jpg", "2.jpg")
    listing = list_source(write_manifest(tmp_path, text, name))
    assert paths(listing) == {"1.jpg": "Katze", "2.jpg": "Hund"}


def test_values_in_json_lines_may_be_numbers(tmp_path):
    make(tmp_path, "1.jpg")
    row = {"path": "1.jpg", "label": 7, "age": 3.5, "none": None, "ok": True}
    listing = list_source(write_manifest(tmp_path, json.dumps(row), "list.jsonl"))
    [entry] = listing.entries
    assert (entry.label, entry.columns) == ("7", {"age": "3.5", "ok": "true"})


def test_a_manifest_may_name_files_whose_names_are_not_utf8(tmp_path):
    name = os.fsdecode(b"caf\xe9.jpg")
    (tmp_path / name).write_bytes(PICTURE)
    [entry] = list_source(write_manifest(tmp_path, b"path,label\ncaf\xe9.jpg,cat\n")).entries
    assert entry.path == "caf\\xe9.jpg"
    assert Path(entry.location).read_bytes() == PICTURE


def test_files_that_a_manifest_names_in_vain_are_rejected(tmp_path):
    make(tmp_path, "1.jpg")
    (tmp_path / "folder.jpg").mkdir()
    text = "path,label\n1.jpg,cat\ngone.jpg,dog\nfolder.jpg,dog\n"
    listing = list_source(write_manifest(tmp_path, text))
    assert listing.rejects == (
        Reject("folder.jpg", "is no regular file"),
        Reject("gone.jpg", "does not exist"),
    )
    assert listing.labels() == {"cat": 1, "dog": 0}
    with pytest.raises(DataError, match=r"2 of 3 pictures \(66.7%\).*\n  folder.jpg: is no"):
        check_listing(listing, max_rejected=0.5)


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("m.csv", "", "lacks the column path and label .it is empty"),
        ("m.csv", "file,label\n", "lacks the column path .it has: file, label"),
        ("m.csv", "path,label,label\n", "has the column label twice"),
        ("m.csv", "path,label\n1.jpg,cat\n2.jpg\n", "line 3: cells: 1, in the header: 2"),
        (
            "m.csv",
            "path,label\n1.jpg,\n,cat\n",
            r"(?s)2 of 2 rows.*line 2: has no label.*line 3: h",
        ),
        ("m.csv", "path,label,split\n1.jpg,cat,holdout\n", "line 2: there is no split 'holdout'"),
        (
            "m.csv",
            "path,label\n1.jpg,cat\n1.jpg,dog\n",
            "line 3: 1.jpg is 'dog', but 'cat' in l.* 2",
        ),
        ("m.csv", "path,label\n".encode("utf-16"), "is no text in UTF-8"),
        ("m.csv", 'path,label\n"1.jpg,cat\n', "cannot be read as CSV"),
        ("m.jsonl", "path,label\n", "line 1: is no JSON"),
        ("m.jsonl", "[1]\n", "line 1: is no JSON object"),
        ("m.jsonl", "", "lacks the column path and label"),
        ("m.csv", "path,label\n", "holds no pictures"),
    ],
)
def test_a_bad_manifest_is_a_message_with_the_line(tmp_path, name, text, message):
    make(tmp_path, "1.jpg", "2.jpg")
    with pytest.raises(DataError, match=message):
        check_listing(list_source(write_manifest(tmp_path, text, name)))


def test_the_same_row_twice_is_two_examples_with_ids_of_their_own(tmp_path):
    make(tmp_path, "1.jpg")
    listing = list_source(write_manifest(tmp_path, "path,label\n1.jpg,cat\n1.jpg,cat\n"))
    assert len({entry.id for entry in listing.entries}) == 2


def test_group_by_must_name_a_column(tmp_path):
    make(tmp_path, "1.jpg", "2.jpg")
    text = "path,label,patient,group\n1.jpg,cat,7,x\n2.jpg,dog,8,y\n"
    listing = list_source(write_manifest(tmp_path, text))
    assert group_column("auto", listing.columns) == "group"
    assert group_column("auto", ["patient"]) == "content"
    assert group_column("patient", listing.columns) == "patient"
    check_listing(listing, group_by="patient", min_per_class=1)
    with pytest.raises(DataError, match="'patent'.*there are: content, group, patient"):
        check_listing(listing, group_by="patent", min_per_class=1)


def test_a_fingerprint_covers_the_manifest_and_what_it_names(tmp_path):
    make(tmp_path, "1.jpg", "2.jpg")
    manifest = write_manifest(tmp_path, "path,label\n1.jpg,cat\n2.jpg,dog\n")
    seen = {source_fingerprint(manifest)}
    os.utime(tmp_path / "2.jpg", ns=(0, 0))
    seen.add(source_fingerprint(manifest))
    write_manifest(tmp_path, "path,label\n1.jpg,cat\n2.jpg,cat\n")
    seen.add(source_fingerprint(manifest))
    assert len(seen) == 3


# Spans


def test_the_newest_span_and_its_newest_version_are_taken(tmp_path):
    for name in ("span-9/v1", "span-10/v2", "span-10/v11", "span-latest/v99"):
        (tmp_path / name).mkdir(parents=True)
    pattern = f"{tmp_path}/span-{{SPAN}}/v{{VERSION}}"
    assert resolve_spans(pattern) == [(f"{tmp_path}/span-10/v11", 10, 11)]
    chosen = [(9, None), (10, 2)]
    assert resolve_spans(pattern, chosen=chosen) == [
        (f"{tmp_path}/span-9/v1", 9, 1),
        (f"{tmp_path}/span-10/v2", 10, 2),
    ]


def test_a_window_is_the_newest_spans_the_oldest_first(tmp_path):
    for number in (2, 9, 10, 11):
        (tmp_path / str(number)).mkdir()
    for count in (1, 3, 9):
        spans = [one.span for one in resolve_spans(f"{tmp_path}/{{SPAN}}", count)]
        assert spans == [2, 9, 10, 11][-count:]


def test_spans_are_listed_together_under_their_numbers(tmp_path):
    for span, names in ((9, ("a", "b")), (10, ("a",))):
        for name in names:
            path = tmp_path / str(span) / "cat" / f"{name}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"picture")
    (tmp_path / "10" / "dog").mkdir()
    window = resolve_spans(f"{tmp_path}/{{SPAN}}", 2)
    listing = list_spans(window)
    assert {entry.path: entry.span for entry in listing.entries} == {
        "9/cat/a.jpg": 9,
        "9/cat/b.jpg": 9,
        "10/cat/a.jpg": 10,
    }
    assert len({entry.id for entry in listing.entries}) == 3
    assert listing.classes == ("cat", "dog")
    assert spans_fingerprint(window) == listing.fingerprint
    assert list_spans(window[1:]).entries[0].path == "cat/a.jpg"
    before = listing.fingerprint
    (tmp_path / "9" / "cat" / "c.jpg").write_bytes(b"picture")
    assert spans_fingerprint(window) != before


def test_a_width_counts_digits_padded_with_zeros(tmp_path):
    for name in ("003.csv", "12.csv"):
        (tmp_path / name).touch()
    assert resolve_spans(f"{tmp_path}/{{SPAN:3}}.csv") == [(f"{tmp_path}/003.csv", 3, None)]
    assert resolve_spans("no/span") == [("no/span", 0, None)]


@pytest.mark.parametrize(
    "pattern, message",
    [
        ("{SPAN:2}/images", "make, for example, .*01/images"),
        ("{VERSION}", "write {SPAN} once"),
        ("{SPAN}/{SPAN}", "write {SPAN} once"),
    ],
)
def test_a_span_that_is_not_there_is_one_clear_message(tmp_path, pattern, message):
    with pytest.raises(DataError, match=message):
        list_source(f"{tmp_path}/{pattern}")


# Built-in collections


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    from components.image_example_gen.samples import read_digit

    digits = load_digits()
    listing = list_source("builtin://digits")
    assert len(listing.entries) == 1797
    for entry in listing.entries[::100]:
        index = int(Path(entry.path).stem)
        assert entry.label == str(digits.target[index])
        image = np.asarray(nasty.PIL.Image.open(nasty.io.BytesIO(read_digit(entry.location))))
        np.testing.assert_allclose(image, digits.images[index] * 255 / 16, atol=0.5)


def test_solar_cells_say_how_to_install_them(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(DataError, match="elpv-dataset .*CC BY-NC-SA 4.0.*`make samples`"):
        list_source("builtin://solar_cells")


def test_solar_cells_are_defective_when_that_is_likelier_than_not(tmp_path, monkeypatch):
    folder = make(tmp_path / "elpv_dataset", "data/images/cell1.png", "data/images/cell2.png")
    rows = "images/cell1.png  0.6666666666666666  mono\nimages/cell2.png  0.3333333333333333 poly\n"
    (folder / "data" / "labels.csv").write_text(rows)
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("importlib.metadata.version", lambda _: "1.0")
    listing = list_source("builtin://solar_cells")
    assert {e.path: (e.label, e.columns) for e in listing.entries} == {
        "solar_cells/cell1.png": ("defective", {"type": "mono", "probability": "0.6667"}),
        "solar_cells/cell2.png": ("functional", {"type": "poly", "probability": "0.3333"}),
    }


# What a user sees


def test_too_many_rejects_are_counted_with_the_first_ten_reasons():
    rejects = [Reject(f"{i:02}.jpg", "is empty") for i in range(12)]
    check_rejects(rejects, used=228, max_rejected=0.05, source="x")
    with pytest.raises(DataError) as e:
        check_rejects(rejects, 227, 0.05, "x", whole_list="list.jsonl")
    assert "x: 12 of 239 pictures (5.0%) cannot be used" in str(e.value)
    assert str(e.value).count("is empty") == 10
    assert "and 2 more\nThe whole list: list.jsonl" in str(e.value)


def test_data_are_listed_in_a_moment_without_tensorflow(tmp_path):
    make(tmp_path, *(f"{label}/{i}.jpg" for label in "ab" for i in range(2000)), data=b"x")
    code = (
        "import sys; from components.image_example_gen.sources import *\n"
        f"for s in ({str(tmp_path)!r}, 'builtin://digits'): check_listing(list_source(s))\n"
        "print([m for m in ('tensorflow', 'tfx', 'apache_beam', 'numpy') if m in sys.modules])"
    )
    start = time.monotonic()
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert out.strip() == "[]"
    assert time.monotonic() - start < 10  # 0.5 s where nothing else runs
