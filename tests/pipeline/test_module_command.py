"""`graft module`: what it builds, what it says, and what it refuses."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from components.content import content_hash
from pipeline.cli import main


def graft(*arguments):
    """Exit code and all that was printed."""
    result = CliRunner().invoke(main, ["module", *map(str, arguments)])
    if not isinstance(result.exception, SystemExit | None):
        raise result.exception
    return result.exit_code, result.output


def refusal(*arguments):
    code, printed = graft(*arguments)
    assert code == 2 and printed.startswith("error: "), printed
    assert len(printed.splitlines()) == 1
    return printed


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """MobileNetV2 in the TF1 Hub format, with random weights of seed 3, and what was printed."""
    folder = tmp_path_factory.mktemp("modules") / "mobile"
    words = ["build", "mobilenetv2", folder, "--format", "tf1", "--weights", "none", "--seed", 3]
    code, printed = graft(*words)
    assert code == 0, printed
    return folder, words, printed


def test_build_says_what_it_does_and_where_the_module_lies(built):
    folder, _, printed = built
    first, last = printed.splitlines()
    assert first.startswith("building MobileNetV2 (tf1, weights: none)")
    assert last.startswith(f"{folder}: built in ") and f"graft module show {folder}" in last


def test_the_same_build_is_kept(built):
    folder, words, _ = built
    before = content_hash(folder)
    assert graft(*words) == (
        0,
        f"{folder}: is there already; `graft module show {folder}` says what is in it\n",
    )
    assert content_hash(folder) == before


def test_show_gives_json(built):
    folder = built[0]
    shown = json.loads(graft("show", folder, "--json")[1])
    assert shown["format"] == "TF1 Hub format" and shown["tags"] == [[], ["train"]]
    assert shown["content_hash"] == content_hash(folder)
    assert shown["endpoints"]["MobilenetV2/layer_19"] == [None, None, None, 1280]
    assert (shown["weights"], shown["trainable_weights"]) == (2_257_984, 2_223_872)
    assert shown["variables"]["MobileNetV2/Conv1/kernel"] == [3, 3, 3, 32]
    assert shown["trainable"] is True and shown["image_size"] is None
    assert "image_feature_vector_with_bn_hparams" in shown["signatures"]


def test_show_is_read_at_a_glance(built):
    folder = built[0]
    code, printed = graft("show", folder)
    assert code == 0
    lines = [line.strip() for line in printed.splitlines()]
    assert lines[0] == f"{folder}: TF1 Hub format"
    assert "tag sets      {}, {train}" in lines
    assert "weights       2,257,984, trainable 2,223,872 in 156 variables" in lines
    assert (
        "MobilenetV2/layer_1      N×h×w×32" in lines and "default                  N×1280" in lines
    )
    assert f"content hash  {content_hash(folder)}" in lines


def test_what_was_not_built_here_is_left(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    message = refusal("build", "MobileNetV2", tmp_path, "--weights", "none")
    assert "is in the way" in message
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_file_of_weights_that_is_not_there_is_named(tmp_path):
    message = refusal("build", "MobileNetV2", tmp_path / "m", "--weights", tmp_path / "w.h5")
    assert f"weights {tmp_path / 'w.h5'}: cannot be read (No such file or directory)" in message
    assert not (tmp_path / "m").exists()


def test_a_file_that_holds_no_weights_is_named(tmp_path):
    (tmp_path / "w.h5").write_text("none")
    words = ["build", "MobileNetV2", tmp_path / "m", "--weights", tmp_path / "w.h5"]
    code, printed = graft(*words)
    assert code == 2
    said, message = printed.splitlines()
    assert said.startswith("building") and "cannot be read as Keras weights" in message
    assert [path.name for path in tmp_path.iterdir()] == ["w.h5"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    message = refusal("build", "MobileNetV2", tmp_path / "file" / "m", "--weights", "none")
    assert "cannot be written" in message


def test_an_architecture_that_is_not_known_lists_those_that_are(tmp_path):
    code, printed = graft("build", "VGG16", tmp_path / "m")
    assert code == 2 and "InceptionV3".lower() in printed.lower()


def test_show_refuses_what_is_no_module(tmp_path):
    assert "holds no saved_model.pb" in refusal("show", tmp_path)
    assert "there is no such folder" in refusal("show", tmp_path / "nowhere")


def test_help_and_refusals_do_not_pay_for_tensorflow(tmp_path):
    (tmp_path / "notes.txt").touch()
    program = (
        "import sys; from click.testing import CliRunner; from pipeline.cli import main\n"
        f"taken = ['build', 'MobileNetV2', {str(tmp_path)!r}, '--weights', 'none']\n"
        "for words, code in ((['build', '-h'], 0), (['show', '-h'], 0), (taken, 2)):\n"
        "    assert CliRunner().invoke(main, ['module', *words]).exit_code == code, words\n"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.slow
def test_another_build_replaces_and_no_library_is_heard(tmp_path):
    folder = tmp_path / "m"

    def run(*words):
        command = [sys.executable, "-m", "pipeline", "module", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True)

    hashes = []
    for seed in (1, 2, 1):
        done = run("build", "MobileNetV2", folder, "--weights", "none", "--seed", seed)
        assert (done.returncode, done.stderr) == (0, "") and len(done.stdout.splitlines()) == 2
        hashes.append(content_hash(folder))
    assert hashes[0] == hashes[2] != hashes[1]
    shown = run("show", folder)
    assert shown.stderr == "" and shown.stdout.startswith(f"{folder}: TF2 SavedModel\n")
