"""`graft augment`: contact sheets before a run, and views of past runs."""

import io

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from pipeline.augment import replay
from pipeline.cli import main
from pipeline.lineage import Artifact, Node, Run


@pytest.fixture
def config(tmp_path):
    """A configuration over two class folders of twenty one-coloured pictures."""
    for label, colour in (("ripe", (220, 200, 40)), ("unripe", (60, 160, 40))):
        (tmp_path / "bananas" / label).mkdir(parents=True)
        for i in range(20):
            picture = Image.new("RGB", (60, 40), colour)
            # No two are alike, and most pixels of all have the one colour.
            picture.paste((i, i, i), (2 * (i % 10), 4, 2 * (i % 10) + 9, 8 + i // 10 * 9))
            picture.save(tmp_path / "bananas" / label / f"{i}.png")
    values = {
        "name": "ripeness",
        "data": {"source": str(tmp_path / "bananas")},
        "transform": {"image_size": [48, 48], "augment": "produce"},
    }
    (tmp_path / "ripeness.yaml").write_text(yaml.safe_dump(values))
    return str(tmp_path / "ripeness.yaml")


def graft(*arguments):
    result = CliRunner().invoke(main, ["augment", *arguments])
    if not isinstance(result.exception, SystemExit | None):
        raise result.exception
    return result.exit_code, result.output


def colours(path):
    sheet = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)
    found, counts = np.unique(sheet, axis=0, return_counts=True)
    return {tuple(map(int, colour)) for colour in found[counts > 5000]}


def test_preview_shows_a_picture_of_each_label_and_its_views(config, tmp_path):
    out = tmp_path / "sheet.png"
    assert graft("preview", config, "--out", str(out)) == (0, f"{out}\n")
    # `produce` changes no colour, so that both labels' colours are all that there is to see.
    assert colours(out) == {(255, 255, 255), (220, 200, 40), (60, 160, 40)}
    graft(
        "preview",
        config,
        "--out",
        str(out),
        "--set",
        "transform.augment=[{op: grey, probability: 1}]",
    )
    assert len(colours(out)) == 5  # white, two originals, two greys


def test_preview_shows_the_pictures_it_is_given(config, tmp_path):
    Image.new("RGB", (30, 90), (200, 30, 30)).save(tmp_path / "one.jpg", quality=100)
    out = tmp_path / "sheet.png"
    arguments = ["--image", str(tmp_path / "one.jpg"), "--out", str(out)]
    graft("preview", config, *arguments, "--set", "transform.augment=none")
    (red,) = colours(out) - {(255, 255, 255)}
    assert red[0] > 190 and max(red[1:]) < 40


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--image", "nowhere.jpg"], ["nowhere.jpg", "no such file"]),
        (["--image", "CONFIG"], ["ripeness.yaml", "no picture"]),
        (["--out", "nowhere/sheet.png"], ["nowhere/sheet.png", "cannot be written"]),
        (["--set", "transform.augment=produse"], ["did you mean 'produce'"]),
        (["--set", "transform.augment=[{op: my.op}]"], ["transform.augment", "'my.op' cannot be"]),
        (["--set", "data.source=nowhere"], ["nowhere"]),
    ],
)
def test_a_mistake_is_one_message(config, arguments, said):
    given = [argument.replace("CONFIG", config) for argument in arguments]
    code, printed = graft("preview", config, *given)
    assert code == 2 and printed.startswith("error: ") and "Traceback" not in printed
    for words in said:
        assert words in printed


def run_with(outputs):
    node = Node("ImageTransform", "ran", outputs=outputs)
    return Run("1-2", {}, "", 0.0, {}, [node])


def test_replay_says_what_is_missing(tmp_path):
    from components.errors import DataError

    with pytest.raises(DataError, match="ImageTransform did not finish"):
        replay(run_with({}), "x", 0)
    gone = {
        key: [Artifact(1, "Any", str(tmp_path / key), {})]
        for key in ("preprocessing", "transformed_examples")
    }
    with pytest.raises(DataError, match="has gone"):
        replay(run_with(gone), "x", 0)
    (tmp_path / "preprocessing").mkdir()
    (tmp_path / "preprocessing" / "preprocessing.json").write_text("{}")
    with pytest.raises(DataError, match="no example with the id or path 'x'"):
        replay(run_with(gone), "x", 0)


@pytest.mark.slow
def test_replay_draws_the_view_that_the_run_drew(config, tmp_path):
    runs = ["--runs", str(tmp_path / "runs")]
    phases = "train.phases=[{train: head, epochs: 2, learning_rate: 0.01}]"
    policy = "transform.augment=[{op: random_resized_crop}, {op: brightness, delta: 0.4}]"
    size = ["--set", "transform.image_size=[64, 64]"]
    settings = ["--set", phases, "--set", policy, *size, "--set", "push.registry=none"]
    CliRunner().invoke(main, ["run", config, *runs, *settings])
    preprocessing = next((tmp_path / "runs").glob("ripeness/artifacts/*/preprocessing/*"))
    import tensorflow as tf

    sheet = yaml.safe_load((preprocessing / "contact_sheet.json").read_text())[0]
    code, printed = graft("replay", "last", sheet["path"], "3", *runs)
    assert code == 0, printed
    lines = printed.splitlines()
    assert "view 3 of run" in lines[0] and "brightness: delta" in printed
    graph = tf.saved_model.load(str(preprocessing / "augmentation"))
    stored = np.asarray(Image.open(tmp_path / "bananas" / sheet["path"]))
    view = graph.augment(tf.constant(stored), sheet["id"], 3)
    np.testing.assert_array_equal(np.asarray(Image.open(lines[-1])), view)
    by_id = graft("replay", "last", sheet["id"], "3", *runs, "--json")[1]
    assert yaml.safe_load(io.StringIO(by_id))["path"] == sheet["path"]
