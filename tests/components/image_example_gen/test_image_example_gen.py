"""The component as TFX runs it: its launcher, and a metadata store in SQLite."""

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import image_example_gen_launch
import nasty
import numpy as np
import PIL.Image
import pytest
from image_example_gen_launch import SHARES, run

from components.errors import DataError
from components.image_example_gen import manifests, reading, work
from components.image_example_gen.grouping import split_of
from components.image_transform.decoding import decode

HERE = Path(__file__).parent


def make(folder: Path, count: int = 30, first: int = 0) -> Path:
    """Half cats, half dogs, no two alike, and each number the same picture whatever the count."""
    for i in range(first, first + count):
        path = folder / ("cat", "dog")[i % 2] / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(i))
    return folder


def picture(seed: int) -> bytes:
    return nasty.encoded(nasty.picture(np.random.default_rng(seed), 20, 30), "JPEG")


def manifest(folder: Path, rows: list[str], header: str = "path,label") -> Path:
    path = folder / "list.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


# What it writes


def test_examples_hold_the_original_bytes_and_facts_everything_else(tmp_path):
    images = make(tmp_path / "in")
    out = run(tmp_path / "root", images)
    examples, facts = out.all(), out.all("facts")
    assert len(examples) == len(facts) == 30
    for example, fact in zip(examples, facts, strict=True):
        data = (images / example["path"].decode()).read_bytes()
        assert example["image"] == data
        assert example["label"].decode() == example["path"].decode().split("/")[0]
        assert set(example) == {"image", "label", "path", "group", "id"}
        assert fact == {
            **{key: example[key] for key in ("label", "path", "group", "id")},
            **{"width": 30, "height": 20, "channels": 3, "bytes": len(data), "format": b"JPEG"},
            "split": split_of(example["group"].decode(), SHARES).encode(),
        }


def test_splits_are_where_tfx_looks_for_them(tmp_path):
    out = run(tmp_path / "root", make(tmp_path / "in"))
    artifact = out.outputs["examples"]
    assert json.loads(artifact.split_names) == ["train", "eval", "test"]
    counts = {split: len(out.records(split)) for split in ("train", "eval", "test")}
    assert out.counts() == {**counts, "rejected": 0}
    assert out.custom("images") == 30 and out.custom("span") == 0
    names = [p.relative_to(artifact.uri) for p in Path(artifact.uri).rglob("*") if p.is_file()]
    assert {str(name) for name in names} == {
        f"Split-{split}/data_tfrecord-00000-of-00001.gz" for split in counts
    }


def test_statistics_gen_reads_the_facts(tmp_path):
    import tensorflow_data_validation as tfdv

    make(tmp_path / "in", 30)
    shares = json.dumps({"train": 0.7, "eval": 0.0, "test": 0.3})  # an empty split, too
    out = run(tmp_path / "root", tmp_path / "in", split=shares)
    for split, count in out.counts().items():
        if split != "rejected":
            pattern = f"{out.outputs['facts'].uri}/Split-{split}/*"
            statistics = tfdv.generate_statistics_from_tfrecord(pattern).datasets[0]
            assert statistics.num_examples == count


def test_the_same_images_give_the_same_bytes(tmp_path):
    make(tmp_path / "in")
    outs = [run(tmp_path / root, tmp_path / "in") for root in ("a", "b")]
    hashes = [
        [hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(Path(o).rglob("*.gz"))]
        for o in (out.outputs[key].uri for out in outs for key in ("examples",))
    ]
    assert hashes[0] == hashes[1]
    assert outs[0].custom("data_fingerprint") == outs[1].custom("data_fingerprint")


def test_large_data_are_written_in_several_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_UNIT_IMAGES", 8)
    out = run(tmp_path / "root", make(tmp_path / "in"))
    assert len(out.all()) == 30
    shards = sorted(p.name for p in Path(out.outputs["examples"].uri, "Split-eval").iterdir())
    assert shards == [f"data_tfrecord-{i:05d}-of-00004.gz" for i in range(4)]
    whole = run(tmp_path / "whole", tmp_path / "in")
    assert out.custom("data_fingerprint") == whole.custom("data_fingerprint")
    # By their order alone it is known which record is of which picture.
    contents = json.loads(Path(out.outputs["facts"].uri, "contents.json").read_text())
    for split in SHARES:
        hashes = [hashlib.sha256(r["image"]).hexdigest()[:32] for r in out.records(split)]
        assert contents[split] == hashes
        ids = [record["id"] for record in out.records(split)]
        assert ids == [record["id"] for record in out.records(split, "facts")]


def test_leftovers_of_a_killed_execution_are_not_read_as_data(tmp_path):
    make(tmp_path / "in")
    left = tmp_path / "root/artifacts/ImageExampleGen/examples/1/Split-train"
    left.mkdir(parents=True)
    (left / "data_tfrecord-00007-of-00009.gz").write_bytes(b"half a file")
    out = run(tmp_path / "root", tmp_path / "in")
    assert Path(out.outputs["examples"].uri) == left.parent
    assert len(out.all()) == 30


# Bad inputs


def test_of_a_nasty_folder_the_good_are_used_upright_and_the_bad_listed(tmp_path):
    made = nasty.make_nasty(tmp_path / "in")
    assert len(made.bad) == 30
    out = run(tmp_path / "root", tmp_path / "in", max_rejected=0.1)
    rejects = out.rejects()
    assert set(rejects) == set(made.bad)
    for path, reason in made.bad.items():
        assert reason in rejects[path], path
    facts = {fact["path"].decode(): fact for fact in out.all("facts")}
    assert set(facts) == made.good
    for path, size in made.upright.items():
        assert (facts[path]["height"], facts[path]["width"]) == size
    assert facts["cat/cmyk.jpg"]["channels"] == 4
    for example in out.all():
        assert decode(example["image"]).shape[-1] == 3


def test_webp_and_tiff_are_stored_as_png_and_a_note_says_what_serving_needs(tmp_path):
    images = make(tmp_path / "in")
    rng = np.random.default_rng(5)
    for name in ("a.webp", "b.webp", "c.tiff"):
        data = nasty.encoded(nasty.picture(rng), Path(name).suffix[1:])
        (images / "cat" / name).write_bytes(data)
    out = run(tmp_path / "root", images)
    stored = {e["path"].decode(): e["image"] for e in out.all()}
    facts = {f["path"].decode(): f for f in out.all("facts")}
    for name, kind in (("a.webp", b"WebP"), ("b.webp", b"WebP"), ("c.tiff", b"TIFF")):
        assert stored[f"cat/{name}"].startswith(b"\x89PNG")
        assert facts[f"cat/{name}"]["format"] == kind
    (note,) = out.custom("notes")
    assert "2 WebP and 1 TIFF pictures were stored as PNG" in note and "convert" in note


def test_too_many_rejects_fail_the_node_and_leave_the_whole_list(tmp_path):
    images = make(tmp_path / "in")
    for i in range(12):
        (images / "cat" / f"empty{i}.jpg").touch()
    with pytest.raises(DataError, match=r"12 of 42 pictures \(28.6%\)") as e:
        run(tmp_path / "root", images, max_rejected=0.2)
    assert str(e.value).count("is empty") == 10 and "and 2 more" in str(e.value)
    whole = Path(str(e.value).split("The whole list: ")[1].splitlines()[0])
    assert len(whole.read_text().splitlines()) == 12
    out = image_example_gen_launch.last(tmp_path / "root")
    assert (out.state, out.outputs) == ("FAILED", {})
    assert run(tmp_path / "root", images, max_rejected=0.3).counts()["rejected"] == 12


def test_a_class_that_rejects_leave_too_small_is_named(tmp_path):
    images = make(tmp_path / "in", 20)
    for path in sorted((images / "dog").iterdir())[:8]:
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"fewer than 5 pictures: dog \(2\); 8 inputs were reject"):
        run(tmp_path / "root", images, min_per_class=5, max_rejected=0.9)


def test_a_source_that_is_not_there_is_a_failed_node_not_one_that_runs_for_ever(tmp_path):
    with pytest.raises(DataError, match="there is no such folder"):
        run(tmp_path / "root", tmp_path / "nowhere")
    assert image_example_gen_launch.last(tmp_path / "root").state == "FAILED"
    assert run(tmp_path / "root", make(tmp_path / "nowhere")).state == "COMPLETE"


def test_a_manifest_that_the_system_refuses_is_a_failed_node_too(tmp_path, monkeypatch):
    images = make(tmp_path / "in")
    source = manifest(images, ["cat/0.jpg,cat", "dog/1.jpg,dog"])

    def refuse(path, **_):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(manifests, "open", refuse, raising=False)
    with pytest.raises(DataError, match=r"list.csv: cannot be read \(Permission denied\)"):
        run(tmp_path / "root", source)
    assert image_example_gen_launch.last(tmp_path / "root").state == "FAILED"


def test_too_few_pictures_for_a_test_split_are_a_clear_message(tmp_path):
    shares = json.dumps({"train": 0.98, "eval": 0.01, "test": 0.01})
    with pytest.raises(DataError, match="no picture falls into the split 'test'"):
        run(tmp_path / "root", make(tmp_path / "in", 6), split=shares)


# Caching


def test_unchanged_images_are_cached_and_a_move_between_classes_is_seen(tmp_path):
    images = make(tmp_path / "in")
    assert run(tmp_path / "root", images).state == "COMPLETE"
    (images / "README.txt").write_text("not read")
    assert run(tmp_path / "root", images).state == "CACHED"
    (images / "cat/0.jpg").rename(images / "dog/0.jpg")
    moved = run(tmp_path / "root", images)
    assert moved.state == "COMPLETE"
    assert b"dog/0.jpg" in [example["path"] for example in moved.all()]
    assert run(tmp_path / "root", images).state == "CACHED"


def test_a_picture_replaced_behind_a_manifest_is_seen(tmp_path):
    images = make(tmp_path / "in")
    rows = [f"{p.relative_to(images)},{p.parent.name}" for p in sorted(images.rglob("*.jpg"))]
    source = manifest(images, rows)
    before = run(tmp_path / "root", source)
    assert run(tmp_path / "root", source).state == "CACHED"
    (images / "cat/0.jpg").write_bytes(picture(999))
    after = run(tmp_path / "root", source)
    assert after.state == "COMPLETE"
    assert before.custom("data_fingerprint") != after.custom("data_fingerprint")


def test_other_settings_run_again(tmp_path):
    images = make(tmp_path / "in")
    run(tmp_path / "root", images)
    assert run(tmp_path / "root", images, max_pixels=10**6).state == "COMPLETE"


def test_the_newest_span_is_read_and_recorded(tmp_path):
    make(tmp_path / "day-09/v1")
    pattern = f"{tmp_path}/day-{{SPAN:2}}/v{{VERSION}}"
    first = run(tmp_path / "root", pattern)
    make(tmp_path / "day-10/v3", 40)
    make(tmp_path / "day-10/v12", 50)
    second = run(tmp_path / "root", pattern)
    for out, span, version, images in ((first, 9, 1, 30), (second, 10, 12, 50)):
        assert (out.custom("span"), out.custom("version")) == (span, version)
        assert (out.outputs["facts"].span, out.outputs["facts"].version) == (span, version)
        assert out.custom("images") == images
    assert run(tmp_path / "root", pattern).state == "CACHED"


# Splits


def test_a_picture_keeps_its_split_as_the_data_grows(tmp_path):
    before = run(tmp_path / "a", make(tmp_path / "in")).split_by_path()
    after = run(tmp_path / "b", make(tmp_path / "in", 60, first=30)).split_by_path()
    assert len(after) == 90 and before == {path: after[path] for path in before}


def test_identical_pictures_share_a_split_whatever_their_names(tmp_path):
    images = make(tmp_path / "in")
    for i in range(20):
        (images / "dog" / f"copy{i}.jpg").write_bytes(picture(0))
    splits = run(tmp_path / "root", images).split_by_path()
    assert {splits[path] for path in splits if "copy" in path} == {splits["cat/0.jpg"]}


def make_large(folder: Path) -> Path:
    """As `make`, but with pixels enough to know a copy by."""
    for i in range(30):
        path = folder / ("cat", "dog")[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        nasty.picture(np.random.default_rng(i), 90, 120).save(path)
    return folder


def saved_again(image: Path, copy: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    with PIL.Image.open(image) as opened:
        opened.resize((80, 60)).save(copy, "JPEG", quality=60)


def test_near_copies_share_a_split_whatever_their_names(tmp_path):
    images = make_large(tmp_path / "in")
    for i in range(30):
        saved_again(images / ("cat", "dog")[i % 2] / f"{i}.png", images / "cat" / f"again_{i}.jpg")
    splits = run(tmp_path / "root", images).split_by_path()
    for i in range(30):
        assert splits[f"cat/again_{i}.jpg"] == splits[f"{('cat', 'dog')[i % 2]}/{i}.png"]
    apart = run(tmp_path / "root", images, near_copies=-1.0).split_by_path()
    assert any(
        apart[f"cat/again_{i}.jpg"] != apart[f"{('cat', 'dog')[i % 2]}/{i}.png"] for i in range(30)
    )


def groups(out) -> dict[str, bytes]:
    return {fact["path"].decode(): fact["group"] for fact in out.all("facts")}


def test_later_spans_move_nothing_and_near_copies_in_them_follow(tmp_path):
    first = make_large(tmp_path / "in" / "1")
    source = tmp_path / "in" / "{SPAN}"
    before = run(tmp_path / "root", source)
    # The second span has the same pictures, and of each a near-copy that comes first by its path.
    second = make_large(tmp_path / "in" / "2")
    for path in sorted(first.rglob("*.png")):
        saved_again(path, second / path.parent.name / f"0_{path.name}")
    after = run(tmp_path / "root", source)
    splits = after.split_by_path()
    for path, split in before.split_by_path().items():
        label, name = path.split("/")
        assert splits[path] == splits[f"{label}/0_{name}"] == split
        assert groups(after)[path] == groups(before)[path]
    again = run(tmp_path / "root", source)
    assert again.state == "CACHED"
    # Where nothing is known of the first span, the copies are the earliest.
    shutil.rmtree(tmp_path / "in" / "1")
    alone = run(tmp_path / "other", source)
    assert groups(alone) != groups(after)


def test_a_window_of_spans_is_read_together_and_moves_on(tmp_path):
    for span in (1, 2, 3):
        make(tmp_path / "in" / str(span), 20, first=100 * span)
    source = tmp_path / "in" / "{SPAN}"
    out = run(tmp_path / "root", source, spans=2)
    assert out.custom("images") == 40 and out.custom("span") == 3
    assert {path.split("/")[0] for path in out.split_by_path()} == {"2", "3"}
    assert run(tmp_path / "root", source, spans=2).state == "CACHED"
    make(tmp_path / "in" / "4", 20, first=400)
    later = run(tmp_path / "root", source, spans=2)
    for path, split in out.split_by_path().items():
        assert later.split_by_path().get(path, split) == split
    assert {path.split("/")[0] for path in later.split_by_path()} == {"3", "4"}


def test_a_camera_that_stands_still_is_told_of_what_parts_its_pictures(tmp_path):
    for i in range(40):
        part = nasty.picture(np.random.default_rng(0), 90, 120)
        part.putpixel((5, 5), (i, 2 * i, 3 * i))
        path = tmp_path / "in" / ("good", "bad")[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        part.save(path)
    with pytest.raises(DataError, match="40 of 40 pictures count as near-copies") as error:
        run(tmp_path / "root", tmp_path / "in")
    assert "no picture falls into the split" in str(error.value)
    apart = run(tmp_path / "root", tmp_path / "in", near_copies=-1.0)
    assert set(apart.split_by_path().values()) == {"train", "eval", "test"}


def test_a_picture_under_two_labels_is_named(tmp_path):
    images = make(tmp_path / "in")
    shutil.copy(images / "cat" / "0.jpg", images / "dog" / "zero.jpg")
    (note,) = run(tmp_path / "root", images).custom("notes")
    assert "cat/0.jpg (cat) and dog/zero.jpg (dog)" in note


def test_a_picture_that_changes_under_the_run_is_an_error_not_a_mixture(tmp_path, monkeypatch):
    images = make(tmp_path / "in")
    check = work.check

    def check_then_change(*arguments):
        yield from check(*arguments)
        (images / "cat" / "0.jpg").write_bytes(picture(999))

    monkeypatch.setattr(work, "check", check_then_change)
    with pytest.raises(DataError, match="cat/0.jpg: changed while it was read"):
        run(tmp_path / "root", images)


def test_a_column_keeps_its_pictures_together_and_copies_join_two_of_its_values(tmp_path):
    images = make(tmp_path / "in", 60)
    rows = [f"{('cat', 'dog')[i % 2]}/{i}.jpg,{'cdao'[i % 2]},p{i // 4:02},left" for i in range(60)]
    (images / "cat/copy.jpg").write_bytes(picture(59))  # patient p14's picture, as p00's
    source = manifest(images, [*rows, "cat/copy.jpg,c,p00,right"], "path,label,patient,side")
    out = run(tmp_path / "root", source, group_by="patient")
    groups: dict[bytes, set[bytes]] = {}
    for fact in out.all("facts"):
        groups.setdefault(fact["group"], set()).add(fact["split"])
        assert fact["column/side"] in (b"left", b"right")
    assert all(len(splits) == 1 for splits in groups.values())
    assert len(groups) == 14 and b"p14" not in groups
    assert out.custom("columns") == ["patient", "side"]
    assert {len(out.records(split)) > 0 for split in ("train", "eval", "test")} == {True}


def test_a_column_group_counts_by_itself(tmp_path):
    images = make(tmp_path / "in", 60)
    rows = [f"{('cat', 'dog')[i % 2]}/{i}.jpg,{'cd'[i % 2]},p{i // 4:02}" for i in range(60)]
    source = manifest(images, rows, "path,label,group")
    groups = {fact["group"] for fact in run(tmp_path / "a", source, group_by="auto").all("facts")}
    assert len(groups) == 15
    groups = {
        fact["group"] for fact in run(tmp_path / "c", source, group_by="content").all("facts")
    }
    assert len(groups) == 60


def test_a_manifests_own_split_wins(tmp_path):
    images = make(tmp_path / "in")
    rows = [f"cat/{i}.jpg,cat,{('test', '')[i % 4 // 2]}" for i in range(0, 30, 2)]
    rows += [f"dog/{i}.jpg,dog,train" for i in range(1, 30, 2)]
    source = manifest(images, rows, "path,label,split")
    splits = run(tmp_path / "root", source).split_by_path()
    assert all(splits[f"cat/{i}.jpg"] == "test" for i in range(0, 30, 4))
    assert all(splits[f"dog/{i}.jpg"] == "train" for i in range(1, 30, 2))
    assert set(splits.values()) == {"train", "eval", "test"}  # the rest is drawn as ever


def test_identical_pictures_in_two_splits_of_a_manifest_are_named(tmp_path):
    images = make(tmp_path / "in", 6)
    for name in ("cat/copy.jpg", "cat/empty1.jpg", "cat/empty2.jpg"):
        (images / name).write_bytes(picture(1) if "copy" in name else b"")
    rows = [f"{('cat', 'dog')[i % 2]}/{i}.jpg,{'ab'[i % 2]},train" for i in range(6)]
    rows += ["cat/copy.jpg,b,test", "cat/empty1.jpg,b,train", "cat/empty2.jpg,b,test"]
    source = manifest(images, rows, "path,label,split")
    with pytest.raises(DataError) as e:
        run(tmp_path / "root", source, max_rejected=0.5)
    assert "dog/1.jpg (train)" in str(e.value) and "cat/copy.jpg (test)" in str(e.value)
    assert "empty" not in str(e.value)  # no pictures, so not identical ones


# Sources


def test_digits_run_as_they_are_built_in(tmp_path):
    out = run(tmp_path / "root", "builtin://digits")
    assert out.custom("images") == 1797
    [fact] = [f for f in out.all("facts") if f["path"] == b"digits/0.png"]
    assert (fact["label"], fact["format"], fact["channels"], fact["width"]) == (b"0", b"PNG", 1, 8)
    assert run(tmp_path / "root", "builtin://digits").state == "CACHED"


def test_what_it_wrote_it_reads_again_with_the_same_splits(tmp_path):
    first = run(tmp_path / "a", make(tmp_path / "in"))
    again = run(tmp_path / "b", first.outputs["examples"].uri)
    assert again.split_by_path() == first.split_by_path()
    assert {e["image"] for e in again.all()} == {e["image"] for e in first.all()}


def test_pictures_behind_uris_are_read_and_their_replacement_seen(tmp_path):
    images = make(tmp_path / "in")

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(images))

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        base = f"http://127.0.0.1:{server.server_port}"
        rows = [f"{base}/{p.relative_to(images)},{p.parent.name}" for p in images.rglob("*.jpg")]
        source = manifest(tmp_path, [*rows, f"{base}/gone.jpg,dog", f"file://{images}/x.jpg,dog"])
        out = run(tmp_path / "root", source, max_rejected=0.1)
        assert out.counts()["rejected"] == 2 and len(out.all()) == 30
        assert "404" in out.rejects()[f"{base}/gone.jpg"]
        assert run(tmp_path / "root", source, max_rejected=0.1).state == "CACHED"
        (images / "cat/0.jpg").write_bytes(picture(999))
        assert run(tmp_path / "root", source, max_rejected=0.1).state == "COMPLETE"
    finally:
        server.shutdown()
        server.server_close()


def test_progress_is_told_while_it_runs(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(reading, "_BATCH_IMAGES", 8)
    monkeypatch.setattr("components.progress.Progress.add", lambda self, n: told.append(n))
    run(tmp_path / "root", make(tmp_path / "in"))
    assert sum(told) == 30 and len(told) > 3


# Memory


@pytest.mark.slow
def test_memory_does_not_grow_with_the_data_nor_with_bombs(tmp_path):
    images = nasty.make_nasty(tmp_path / "in") and tmp_path / "in"
    rng = np.random.default_rng(0)
    big = nasty.encoded(nasty.picture(rng, 6000, 8000), "JPEG")  # 48 million pixels
    for i in range(6):
        (images / "cat" / f"big{i}.jpg").write_bytes(big + bytes(i))
    noise = rng.integers(0, 256, (2000, 2000, 3), dtype=np.uint8)
    bitmap = nasty.encoded(nasty.PIL.Image.fromarray(noise), "BMP")  # 12 MB each
    for i in range(100):
        (images / "dog" / f"bitmap{i}.bmp").write_bytes(bitmap[:100] + bytes([i]) + bitmap[101:])
    code = (
        "import resource, sys; sys.path[:0] = sys.argv[3:]\n"
        "from pathlib import Path\n"
        "from image_example_gen_launch import run\n"
        "import components.image_example_gen.decoder\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10\n"
        "before = peak()\n"
        "images = run(Path(sys.argv[1]), sys.argv[2], max_rejected=0.1).custom('images')\n"
        "print(images, before, peak())\n"
    )
    places = [str(HERE), str(HERE.parents[2])]
    out = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "root"), str(images), *places],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    ).stdout
    count, before, peak = map(int, out.split()[-3:])
    assert count == 287 + 106
    assert peak - before < 1000, f"{before} MB before, {peak} MB at the peak"  # of 1.5 GB of files
