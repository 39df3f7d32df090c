"""The command line: what it says of a task, and of a user's mistakes, before any work begins."""

import json
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from pipeline.cli import main
from pipeline.commands import Commands
from pipeline.lineage import Node, Run, record_start
from pipeline.stores import open_store

MODULE = "modules/efficientnet_lite0"


@pytest.fixture
def images(tmp_path):
    """Two class folders of twelve noisy pictures."""
    rng = np.random.default_rng(0)
    for label in ("ripe", "unripe"):
        folder = tmp_path / "bananas" / label
        folder.mkdir(parents=True)
        for i in range(12):
            pixels = rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{i}.png")
    return tmp_path / "bananas"


@pytest.fixture
def write(tmp_path, images):
    """write(**sections) -> the path of a configuration over the images."""

    def write(**sections):
        path = tmp_path / "ripeness.yaml"
        values = {"name": "ripeness", "data": {"source": str(images)}, **sections}
        path.write_text(yaml.safe_dump(values))
        return str(path)

    return write


@pytest.fixture
def graft(tmp_path):
    """graft(*arguments) -> its exit code and all that it printed."""

    def graft(*arguments):
        result = CliRunner().invoke(main, [*arguments, "--runs", str(tmp_path / "runs")])
        if not isinstance(result.exception, SystemExit | None):
            raise result.exception
        return result.exit_code, result.output

    return graft


def refusal(graft, *arguments):
    """The one message of a mistake; `run` gives the same as `check`, before it makes anything."""
    code, printed = graft(*arguments)
    assert code == 2, printed
    assert printed.startswith("error: ")
    return printed


def test_check_says_what_a_run_would_do(graft, write):
    code, printed = graft("check", write())
    assert code == 0, printed
    assert "24 images of 2 classes: ripe 12, unripe 12" in printed
    assert f"{MODULE} at 224×224; head: 3 epochs at 0.001; all: 5 epochs at 0.0001" in printed
    assert "accuracy at least 0.5" in printed
    assert "ripeness in mlflow" in printed


def test_check_says_what_was_passed_over(graft, write, images):
    (images / "ripe" / "notes.pdf").write_bytes(b"%PDF")
    assert "pdf" in graft("check", write())[1]


def test_check_says_what_it_knows_already_to_be_unusable(graft, write, images):
    for number in range(5):
        (images / f"loose {number}.jpg").write_bytes(b"")
    config = write(data={"source": str(images), "max_rejected": 0.5})
    printed = graft("check", config)[1]
    assert "and pass over 5 inputs:" in printed and "and 2 more" in printed
    assert "loose 0.jpg: lies outside every class folder" in printed
    assert len(json.loads(graft("check", config, "--json")[1])["rejected"]) == 5


def test_check_warns_of_batch_norm_over_few_pictures(graft, write):
    assert "train.batch_size 4: batch norm" in graft("check", write(train={"batch_size": 4}))[1]
    for setting in ("train.batch_size=8", "model.backbone.batch_norm=inference"):
        printed = graft("check", write(train={"batch_size": 4}), "--set", setting)[1]
        assert "warning" not in printed


def test_check_tells_the_limits_of_serving_beside_the_thresholds(graft, write):
    serving = {"max_load_seconds": 30, "max_memory_mb": 2000, "max_latency_ms": 99.5}
    plan = json.loads(graft("check", write(serving=serving), "--json")[1])
    assert plan["thresholds"][-3:] == [
        "served, loading in at most 30 s",
        "served, memory at most 2000 MB",
        "served, a picture in at most 99.5 ms",
    ]


def test_check_gives_json(graft, write):
    plan = json.loads(graft("check", write(), "--json")[1])
    assert plan["classes"] == {"ripe": 12, "unripe": 12}


def test_check_and_help_do_not_pay_for_tensorflow(write):
    program = (
        "import sys, click; from click.testing import CliRunner; from pipeline.cli import main\n"
        "heavy = {'tensorflow', 'tfx', 'apache_beam', 'ml_metadata'}\n"
        "for_help = {'pydantic', 'yaml', 'rich', 'PIL', 'numpy', 'jinja2', 'filelock', *heavy}\n"
        "def print_help(*words):\n"
        "    assert CliRunner().invoke(main, [*words, '--help']).exit_code == 0\n"
        "print_help()\n"
        "for name, command in main.commands.items():\n"
        "    print_help(name)\n"
        "    for below in getattr(command, 'commands', ()): print_help(name, below)\n"
        "assert not for_help & set(sys.modules), for_help & set(sys.modules)\n"
        f"for words in (['check', {write()!r}], ['config']):\n"
        "    assert CliRunner().invoke(main, words).exit_code == 0\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_help_lists_every_command_once_in_80_columns():
    code, printed = run_alone("--help")
    assert code == 0 and max(map(len, printed.splitlines())) <= 80
    listed = [line.split()[0] for line in printed.splitlines() if line.startswith("  ")]
    assert all(listed.count(name) == 1 for name in main.commands)
    assert printed.index("\nRun:") < printed.index("\nRegistry:") < printed.index("Examples:")


def test_a_command_that_no_section_names_is_listed_with_the_tools():
    group = Commands(commands={name: click.Command(name, help=name) for name in ("run", "new")})
    assert "Tools:\n  new" in CliRunner().invoke(group, ["--help"]).output


def test_a_mistyped_command_is_said_with_the_nearest():
    code, printed = run_alone("chek")
    assert code == 2 and "'check'" in printed


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("check", "none.yaml"), "ConfigError"),
        (("run", "none.yaml"), "ConfigError"),
        (("predict", "none.png", "--runs", "none"), "ConfigError"),
        (("registry", "list", "--runs", "none"), "ConfigError"),
        (("lineage", "last", "--runs", "none"), "ConfigError"),
        (("submit", "none.yaml"), "ConfigError"),
        (("check", "--no-such-option"), "UsageError"),
    ],
    ids=lambda words: words[0] if isinstance(words, tuple) else words,
)
def test_with_json_a_mistake_is_json_too(words, kind):
    result = CliRunner().invoke(main, [*words, "--json"])
    assert result.exit_code == 2
    error = json.loads(result.stdout)["error"]
    assert error["kind"] == kind and error["message"] in result.stderr


@pytest.mark.parametrize("variable", ["NO_COLOR", "TERM"])
def test_colour_is_left_out_where_nobody_wants_it(write, monkeypatch, variable):
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    warned = write(train={"batch_size": 4})
    for config, code in (("none.yaml", "\x1b[31m"), (warned, "\x1b[33m")):
        with monkeypatch.context() as patch:
            assert code in CliRunner().invoke(main, ["check", config], color=True).output
            patch.setenv(variable, "dumb")
            assert "\x1b" not in CliRunner().invoke(main, ["check", config], color=True).output


def test_colour_is_kept_in_a_pipe_where_somebody_wants_it(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b" not in CliRunner().invoke(main, ["check", "none.yaml"]).output
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[31m" in CliRunner().invoke(main, ["check", "none.yaml"]).output


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_missing_folder_is_named(graft, write, tmp_path, command):
    message = refusal(graft, command, write(data={"source": str(tmp_path / "banana")}))
    assert str(tmp_path / "banana") in message
    assert not (tmp_path / "runs").exists()


def test_a_folder_for_runs_that_cannot_be_made_is_named(write, tmp_path):
    (tmp_path / "file").touch()
    result = CliRunner().invoke(main, ["run", write(), "--runs", str(tmp_path / "file")])
    assert result.exit_code == 2
    assert f"{tmp_path / 'file' / 'ripeness'}: cannot be made" in result.output


def test_a_damaged_metadata_store_is_named(graft, tmp_path):
    (tmp_path / "runs" / "bananas").mkdir(parents=True)
    (tmp_path / "runs" / "bananas" / "metadata.db").write_text("no database at all")
    message = refusal(graft, "report")
    assert "metadata.db: cannot be opened" in message and "move it away" in message


@pytest.mark.parametrize("command", ["check", "run"])
def test_one_class_only_is_named(graft, write, images, command):
    for picture in (images / "unripe").iterdir():
        picture.unlink()
    (images / "unripe").rmdir()
    assert "ripe" in refusal(graft, command, write())


def test_a_class_with_too_few_images_is_named_with_its_number(graft, write, images):
    for i in range(5):
        (images / "unripe" / f"{i}.png").unlink()
    message = refusal(graft, "check", write())
    assert "unripe" in message and "7" in message and "10" in message


def test_an_unknown_op_names_the_nearest(graft, write):
    message = refusal(graft, "check", write(transform={"augment": [{"op": "brigthness"}]}))
    assert "brightness" in message


def test_a_column_that_the_data_lacks_is_named(graft, write):
    assert "'site'" in refusal(graft, "check", write(evaluate={"slices": ["site"]}))


def test_a_schema_that_is_not_there_is_named(graft, write, images):
    data = {"source": str(images), "schema_path": "no.pbtxt"}
    assert "no.pbtxt" in refusal(graft, "check", write(data=data))


def test_a_folder_that_is_no_module_is_named(graft, write, images):
    message = refusal(graft, "check", write(model={"backbone": {"handle": str(images)}}))
    assert str(images) in message and "saved_model.pb" in message


def test_a_module_that_is_not_there_is_named(graft, write):
    message = refusal(graft, "check", write(model={"backbone": {"handle": "modules/none"}}))
    assert "modules/none: there is no such folder" in message


def test_an_endpoint_that_the_module_lacks_is_said_with_those_it_has(graft, write):
    config = write(model={"auxiliary_head": {"endpoint": "block_1O"}})
    assert graft("check", config)[0] == 0  # without a look into the module
    message = refusal(graft, "check", config, "--modules")
    assert "has no endpoint block_1O" in message and "block_10" in message


def test_an_endpoint_without_room_for_the_auxiliary_head_is_said_with_those_that_have(graft, write):
    config = write(
        model={"auxiliary_head": {"endpoint": "EfficientNetLite0/block_15"}},
        transform={"image_size": [96, 96]},
    )
    message = refusal(graft, "check", config, "--modules")
    assert "is 3x3 for images of 96x96 pixels" in message
    assert "EfficientNetLite0/block_10" in message


def test_a_module_of_one_size_refuses_another(graft, write, tmp_path):
    module = fixed_size_module(tmp_path / "small", train_mode=True)
    config = write(model={"backbone": {"handle": module}})
    message = refusal(graft, "check", config, "--modules")
    assert "takes images of 32 x 32 pixels only, not 224 x 224" in message
    size = "transform.image_size=[32, 32]"
    assert graft("check", config, "--modules", "--set", size)[0] == 0


def test_a_module_without_training_mode_is_refused_where_it_would_be_trained(
    graft, write, tmp_path
):
    handle = fixed_size_module(tmp_path / "small", train_mode=False)
    config = write(model={"backbone": {"handle": handle}}, transform={"image_size": [32, 32]})
    assert "no training mode" in refusal(graft, "check", config, "--modules")
    frozen = "train.phases=[{train: head, epochs: 1, learning_rate: 0.1}]"
    for way in ("model.backbone.batch_norm=inference", frozen):
        assert graft("check", config, "--modules", "--set", way)[0] == 0


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("beam.runner=FlonkRunner", "beam.runner: FlonkRunner cannot be had"),
        ("beam.options={paralelism: 2}", "did you mean 'parallelism'"),
        ("beam.options={direct_running_mode: many}", "invalid choice: 'many'"),
        ("beam.options={runner: FlinkRunner}", "name the runner in beam.runner"),
    ],
)
def test_a_runner_or_an_option_that_beam_does_not_know_is_said(graft, write, setting, said):
    message = refusal(graft, "check", write(), "--modules", "--set", setting)
    assert said in message and "\n" not in message.strip()


def test_an_op_of_ones_own_is_tried_before_any_work(graft, write, tmp_path, monkeypatch):
    config = write(transform={"augment": [{"op": "ripeness_ops.warmer", "by": 0.1}]})
    assert "'ripeness_ops.warmer' cannot be imported" in refusal(
        graft, "check", config, "--modules"
    )
    code = "def warmer(by):\n    return lambda image, seed: image + [by, 0.0, -by]\n"
    (tmp_path / "ripeness_ops.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    assert graft("check", config, "--modules")[0] == 0
    wrong = "transform.augment=[{op: ripeness_ops.warmer, bye: 0.1}]"
    message = refusal(graft, "check", config, "--modules", "--set", wrong)
    assert message.startswith("error: transform.augment: ripeness_ops.warmer") and "bye" in message


def test_a_pattern_that_matches_no_variable_is_said_with_some_that_there_are(graft, write):
    phases = [{"train": ["*/blok_1/*"], "epochs": 1, "learning_rate": 0.1}]
    config = write(train={"phases": phases})
    message = refusal(graft, "check", config, "--modules")
    assert "'*/blok_1/*'" in message and "EfficientNetLite0/stem/kernel" in message
    phases[0]["train"] = ["*/block_1/*"]
    assert graft("check", write(train={"phases": phases}), "--modules")[0] == 0


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("setting", ["registry_uri=bla", "model_name=a/b"])
def test_a_registry_that_cannot_be_is_said_before_any_work(
    graft, write, tmp_path, command, setting
):
    message = refusal(graft, command, write(), "--set", f"push.{setting}")
    assert f"push.{setting.partition('=')[0]}: " in message
    assert not (tmp_path / "runs").exists()
    assert (
        graft("check", write(), "--set", f"push.{setting}", "--set", "push.registry=none")[0] == 0
    )


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_kubeflow_registry_that_cannot_be_is_said_before_any_work(
    graft, write, tmp_path, command
):
    def settings(*values):
        return [it for value in ("registry=kubeflow", *values) for it in ("--set", f"push.{value}")]

    message = refusal(graft, command, write(), *settings("registry_uri=http://h:1?x"))
    assert "push.registry_uri: 'http://h:1?x' is no address of a Kubeflow" in message
    token = tmp_path / "token"
    given = settings("registry_uri=http://h:1", f"registry_token_path={token}")
    message = refusal(graft, command, write(), *given)
    assert f"push.registry_token_path: the token in {token} cannot be read (No such" in message
    assert not (tmp_path / "runs").exists()
    token.write_text("s3cret")
    code, said = graft("check", write(), "--json", *given)
    assert code == 0 and "s3cret" not in said
    registry = json.loads(said)["registry"]
    assert (registry["kind"], registry["uri"]) == ("kubeflow", "http://h:1")
    assert registry["token_path"] == str(token)


def test_a_password_is_shown_nowhere(graft, write):
    uri = "push.registry_uri=http://user:secret@host"
    for command in (("check",), ("check", "--json"), ("run",)):
        message = refusal(graft, *command, write(), "--set", uri)
        assert "MLFLOW_TRACKING_PASSWORD" in message and "secret" not in message


@pytest.mark.parametrize("out", ["none/config.yaml", "file/config.yaml"])
def test_a_file_that_cannot_be_written_is_named(graft, tmp_path, out):
    (tmp_path / "file").touch()
    record(tmp_path / "runs", "bananas")
    for result in (
        graft("report", "--out", str(tmp_path / out)),
        run_alone("config", "--out", str(tmp_path / out)),
    ):
        assert result[0] == 2
        assert result[1].startswith(f"error: {tmp_path / out}: cannot be written (")


def test_a_model_that_was_pushed_by_other_hands_and_names_no_classes_is_named(
    graft, images, tmp_path
):
    import tensorflow as tf

    record(tmp_path / "runs", "bananas")
    served = tmp_path / "runs" / "bananas" / "serving" / "7"
    tf.saved_model.save(tf.train.Checkpoint(), str(served))
    message = refusal(graft, "predict", str(images / "ripe" / "0.png"))
    assert f"{served}: has no signature serving_examples" in message


def test_predict_without_runs_says_how_to_get_one(graft, images):
    assert "make run-local" in refusal(graft, "predict", str(images / "ripe" / "0.png"))


def test_predict_and_report_ask_which_of_several_tasks(graft, images, tmp_path):
    for name in ("apples", "bananas"):
        record(tmp_path / "runs", name)
    for command in (("predict", str(images / "ripe" / "0.png")), ("report",)):
        assert "apples, bananas" in refusal(graft, *command)
        assert "'pears'" in refusal(graft, *command, "--name", "pears")


def test_predict_looks_where_the_last_run_pushes_to(graft, images, tmp_path):
    record(tmp_path / "runs", "bananas", destination=str(tmp_path / "elsewhere"))
    message = refusal(graft, "predict", str(images / "ripe" / "0.png"))
    assert f"{tmp_path / 'elsewhere'}: holds no pushed model" in message


def test_an_empty_folder_for_runs_is_refused(write):
    result = CliRunner().invoke(main, ["check", write(), "--runs", ""])
    assert result.exit_code == 2 and "--runs: is empty" in result.output


def test_a_run_that_is_not_known_is_said_with_those_that_are(graft, tmp_path):
    record(tmp_path / "runs", "bananas")
    for command in (("report", "7"), ("report", "compare", "1", "7")):
        assert "knows no run 7; it has: 1" in refusal(graft, *command)


def test_runs_are_compared_two_to_six_and_each_once(graft, tmp_path):
    for run_id in ("1", "2"):
        record(tmp_path / "runs", "bananas", run_id=run_id)
    assert "takes 2 to 6 runs, not 1" in refusal(graft, "report", "compare", "1")
    assert "takes 2 to 6 runs, not 7" in refusal(graft, "report", "compare", *"1234567")
    assert "a run is named twice" in refusal(graft, "report", "compare", "2", "last")
    code, said = graft("report", "compare", "1", "last", "--json")
    written = json.loads(said)
    assert code == 0 and written["runs"] == ["1", "2"]
    assert written["report"].endswith("runs/bananas/reports/compare-1-2.html")
    assert "2 runs" in Path(written["report"]).read_text()


def test_a_run_alone_is_short_for_writing_its_report(graft, tmp_path):
    record(tmp_path / "runs", "bananas")
    code, said = graft("report", "1")
    assert code == 0 and said.strip().endswith("reports/1/index.html")
    assert graft("report")[1] == graft("report", "write")[1] == said


@pytest.mark.parametrize(
    "command",
    [("lineage", "last"), ("clean", "--keep", "1"), ("registry", "list")],
    ids=lambda words: words[0],
)
def test_an_option_that_has_no_effect_is_refused(write, graft, command):
    code, said = graft(*command, "--set", "push.registry=mlflow")
    assert code == 2 and "--set: goes with --kubeflow only" in said
    config = write()
    code, said = graft(*command, "--kubeflow", config)
    assert code == 2 and "--runs and --name: do not go with --kubeflow" in said
    code, said = run_alone(*command, "--kubeflow", config, "--name", "ripeness")
    assert code == 2 and "do not go with --kubeflow" in said


def run_alone(*arguments):
    """The exit code and output of a command that takes no --runs."""
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, result.output


def record(runs, name, destination=None, run_id="1"):
    """Notes the start of one run, as the runner does before any node."""
    (runs / name).mkdir(parents=True, exist_ok=True)
    config = {"name": name, "push": {"destination": destination}}
    run = Run(run_id, config, "0" * 12, 0.0, {}, [Node("Trainer", "skipped")])
    record_start(open_store(runs / name / "metadata.db"), run, name)


def fixed_size_module(folder, train_mode):
    """A TF2 module of 32 x 32 pixels."""
    import tensorflow as tf

    module = tf.train.Checkpoint()
    module.scale = tf.Variable(1.0)
    spec = tf.TensorSpec([None, 32, 32, 3], tf.float32)

    def features(images):
        return module.scale * tf.reduce_mean(images, [1, 2])

    if train_mode:
        module.__call__ = tf.function(lambda images, training=False: features(images))
        for training in (False, True):
            module.__call__.get_concrete_function(spec, training=training)
    else:
        module.__call__ = tf.function(features, [spec])
    module.variables = module.trainable_variables = [module.scale]
    tf.saved_model.save(module, str(folder))
    return str(folder)
