from typing import get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.errors import ConfigError
from components.evaluator.metrics import METRICS
from pipeline.config import Beam, Config, config_hash
from pipeline.config_file import load_config
from pipeline.config_gate import Metric
from pipeline.config_text import config_text

SMALLEST = {"name": "task", "data": {"source": "./images"}}


@pytest.fixture
def write(tmp_path):
    def write(values):
        path = tmp_path / "task.yaml"
        path.write_text(values if isinstance(values, str) else yaml.safe_dump(values))
        return path

    return write


def refusal(path, *overrides):
    with pytest.raises(ConfigError) as error:
        load_config(path, overrides)
    return str(error.value)


def test_name_and_source_are_enough(write):
    config = load_config(write(SMALLEST))
    assert config.train.phases[0].train == "head"
    assert config.transform.image_size == (224, 224)


def test_an_unknown_key_names_the_nearest_right_one(write):
    path = write({**SMALLEST, "transfrom": {}, "train": {"phases": [{"trian": "head"}]}})
    message = refusal(path)
    assert "transfrom: there is no such key; did you mean 'transform'?" in message
    assert "train.phases.0.trian: there is no such key; did you mean 'train'?" in message
    assert str(path) in message


def test_a_value_out_of_bounds_names_key_bound_and_value(write):
    path = write({**SMALLEST, "evaluate": {"thresholds": {"accuracy": {"at_least": 1.5}}}})
    message = refusal(path)
    assert "evaluate.thresholds.accuracy.at_least" in message
    assert "less than or equal to 1" in message
    assert "1.5" in message


def test_a_key_that_stands_twice_is_refused(write):
    assert "the key 'name' stands there twice" in refusal(write("name: a\ndata: {}\nname: b\n"))


def test_a_section_left_empty_is_said_to_be(write):
    assert "evaluate: is empty; remove it" in refusal(write({**SMALLEST, "evaluate": None}))


def test_a_tab_in_yaml_is_named(write):
    assert "indent by spaces" in refusal(write("name: a\n\tdata: b\n"))


def test_an_unknown_metric_is_said_with_those_there_are(write):
    message = refusal(write(SMALLEST), "evaluate.thresholds.acuracy.at_least=0.5")
    assert "evaluate.thresholds.acuracy: there is no such key; there are: 'accuracy'" in message


@pytest.mark.parametrize(
    "key, value, message",
    [
        (
            "thresholds.log_loss.at_least",
            "0.1",
            "evaluate.thresholds.log_loss: less of it is better",
        ),
        ("thresholds.accuracy.at_most", "0.1", "thresholds.accuracy: more of it is better"),
        (
            "slice_thresholds.label",
            "{log_loss: {at_least: 0.1}}",
            "slice_thresholds.label.log_loss: less of it is better; write at_most",
        ),
        (
            "robustness.thresholds",
            "{roc_auc: {at_most: 0.1}}",
            "thresholds.roc_auc: more of it is better; write at_least",
        ),
        ("slice_thresholds.label", "{roc_auc: {at_least: 0.1}}", "says nothing of one label"),
        ("robustness.max_images", "5000", "less than or equal to 2000"),
        ("robustness.corruptions", "[rain]", "input should be 'jpeg', 'blur', 'brightness' or"),
        ("robustness.corruptions", "[]", "evaluate.robustness.corruptions"),
    ],
)
def test_a_bound_stands_on_the_side_from_which_a_metric_is_reached(write, key, value, message):
    assert message in refusal(write(SMALLEST), f"evaluate.{key}={value}")


def test_a_tie_that_nothing_is_compared_for_is_refused(write):
    alone = "evaluate.thresholds={accuracy: {at_least: 0.5}}"
    assert "on_tie: keep needs a metric" in refusal(write(SMALLEST), alone, "evaluate.on_tie=keep")


def test_the_metrics_of_thresholds_are_those_that_are_counted():
    assert get_args(Metric) == METRICS


def test_an_unknown_policy_names_the_nearest(write):
    path = write({**SMALLEST, "transform": {"augment": "natrual"}})
    assert "transform.augment: there is no policy 'natrual'; did you mean 'natural'?" in refusal(
        path
    )


def test_a_phase_trains_the_head_or_all_or_what_matches(write):
    def phase(train):
        return f"train.phases=[{{train: {train}, epochs: 1, learning_rate: 0.1}}]"

    assert load_config(write(SMALLEST), [phase("['*/block_1?/*']")]).train.phases[0].train
    assert "there is no 'haed'; give head, all" in refusal(write(SMALLEST), phase("haed"))
    assert "patterns needs one at least" in refusal(write(SMALLEST), phase("[]"))


def test_patience_needs_an_eval_split(write):
    no_eval = "data.split={train: 0.8, eval: 0, test: 0.2}"
    phases = "train.phases=[{train: all, epochs: 9, learning_rate: 0.1, patience: 2}]"
    assert "give data.split.eval a share" in refusal(write(SMALLEST), no_eval, phases)


def test_a_model_can_be_pushed_to_a_folder_or_to_google_storage(write):
    for place in ("gs://bucket/models", "/mnt/models", "./models"):
        config = load_config(write(SMALLEST), [f"push.destination={place}"])
        assert config.push.destination == place


@pytest.mark.parametrize("place", ["s3://bucket/models", "gs://bucket", "gs://", "http://x/y"])
def test_other_buckets_must_be_mounted(write, place):
    message = refusal(write(SMALLEST), f"push.destination={place}")
    assert f"push.destination: {place} is neither a folder nor gs://BUCKET/PATH; mount" in message


def test_a_kubeflow_registry_needs_its_servers_address(write):
    kubeflow = "push.registry=kubeflow"
    for uri in ((), ("push.registry_uri=mlflow.db",), ("push.registry_uri=ftp://host",)):
        message = refusal(write(SMALLEST), kubeflow, *uri)
        assert "push.registry_uri: kubeflow needs the address" in message
    push = load_config(write(SMALLEST), [kubeflow, "push.registry_uri=http://host:8080"]).push
    assert (push.registry, push.registry_token_path) == ("kubeflow", None)
    token = "push.registry_token_path=token"
    assert "registry_token_path: is for kubeflow" in refusal(write(SMALLEST), token)


@pytest.mark.parametrize("uri", ["http://user:secret@host", "https://secret@host"])
def test_a_password_is_refused_unseen_with_where_to_put_it(write, uri):
    assert "secret" not in refusal(write(SMALLEST), f"push.registry_uri={uri}", "push.keep=0")
    message = refusal(write(SMALLEST), f"push.registry_uri={uri}")
    assert "push.registry_uri: holds a user or a password" in message
    assert "MLFLOW_TRACKING_PASSWORD" in message and "secret" not in message


def test_shares_of_the_splits_add_up_to_one(write):
    path = write(
        {**SMALLEST, "data": {"source": "x", "split": {"train": 0.8, "eval": 0.3, "test": 0.1}}}
    )
    assert "add up to 1.2" in refusal(path)


def test_an_auxiliary_head_on_a_frozen_backbone_is_refused_with_the_reason(write):
    path = write(
        {
            **SMALLEST,
            "model": {"auxiliary_head": {"endpoint": "InceptionV3/Mixed_6e"}},
            "train": {"phases": [{"train": "head", "epochs": 1, "learning_rate": 0.1}]},
        }
    )
    assert "trains nothing but the head itself" in refusal(path)


@pytest.mark.parametrize("text", ["", "- a\n- b", "a: [", "\0"])
def test_a_file_that_is_no_mapping_is_refused_in_a_sentence(write, text):
    assert "task.yaml" in refusal(write(text))


def test_a_missing_file_is_refused_in_a_sentence(tmp_path):
    assert "cannot be read" in refusal(tmp_path / "none.yaml")


def test_an_override_wins_over_the_file(write):
    config = load_config(write(SMALLEST), ["train.max_epochs=1", "data.source=/my/images"])
    assert config.train.max_epochs == 1
    assert config.data.source == "/my/images"


@pytest.mark.parametrize("override", ["train.max_epochs", "=1", "name.x=1", "train.max_epochs=["])
def test_a_wrong_override_is_refused_in_a_sentence(write, override):
    assert "--set" in refusal(write(SMALLEST), override)


def test_what_config_prints_is_a_configuration_of_defaults(write):
    printed = load_config(write(config_text()))
    assert printed == Config.model_validate({"name": "my-task", "data": {"source": "./images"}})


def test_what_config_prints_explains_the_keys_of_items_too():
    printed = config_text()
    for name in ("first_layer_rate", "at_least", "endpoint"):
        assert f"#   {name} (" in printed


@pytest.mark.parametrize("name", ["digits", "solar_cells", "solar_cells_fine_tuned", "folder"])
def test_the_shipped_configurations_are_valid(name):
    load_config(f"configs/{name}.yaml")


@given(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))
def test_the_hash_changes_with_a_value_and_only_then(a, b):
    one = Config.model_validate({**SMALLEST, "seed": a})
    other = Config.model_validate({**SMALLEST, "seed": b})
    assert (config_hash(one) == config_hash(other)) == (a == b)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_no_value_brings_a_traceback(value):
    import pydantic

    try:
        Config.model_validate({**SMALLEST, "train": value})
    except pydantic.ValidationError:
        pass


def test_beam_options_become_its_command_line():
    options = {
        "parallelism": 2,
        "experiments": ["a", "b"],
        "direct_running_mode": "multi_processing",
        "save_main_session": True,
        "streaming": False,
    }
    beam = Beam(runner="FlinkRunner", options=options)
    assert beam.arguments() == [
        "--runner=FlinkRunner",
        "--parallelism=2",
        "--experiments=a",
        "--experiments=b",
        "--direct_running_mode=multi_processing",
        "--save_main_session",
    ]
    assert Beam().arguments() == ["--runner=FnApiRunner"]
