"""`graft check`: what it says of a task, and of a user's mistakes, before any work begins."""

import json

import pytest
from commands_run import refusal

MODULE = "modules/efficientnet_lite0"


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


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_missing_folder_is_named(graft, write, tmp_path, command):
    message = refusal(graft, command, write(data={"source": str(tmp_path / "banana")}))
    assert str(tmp_path / "banana") in message
    assert not (tmp_path / "runs").exists()


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
