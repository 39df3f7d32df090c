import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from components.errors import ConfigError
from components.image_transform.arguments import ARGUMENTS
from components.image_transform.augmentation import BATCH_OPS, OPS
from components.image_transform.policies import (
    POLICIES,
    check_policy,
    default_stored_side,
    own_ops,
    split_policy,
)


def test_checking_a_policy_does_not_import_tensorflow():
    code = (
        "import sys; from components.image_transform.policies import check_policy; "
        "check_policy('natural'); sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_table_knows_each_op_and_argument_and_allows_the_defaults():
    factories = OPS | BATCH_OPS
    assert set(ARGUMENTS) == set(factories)
    for name, make in factories.items():
        parameters = inspect.signature(make).parameters
        assert list(parameters) == list(ARGUMENTS[name]), name
        for parameter in parameters.values():
            assert ARGUMENTS[name][parameter.name].problem(parameter.default) is None


@pytest.mark.parametrize("name", POLICIES)
def test_named_policies_are_sound_and_the_list_that_they_stand_for_is_the_same(name):
    assert check_policy(name) == POLICIES[name] == check_policy(POLICIES[name])


def test_policies_do_what_their_task_allows():
    ops = {name: {one["op"] for one in policy} for name, policy in POLICIES.items()}
    colour = {"brightness", "contrast", "saturation", "hue", "grey"}
    flips = {"flip_left_right", "flip_up_down", "quarter_turn"}
    assert not ops["none"]
    assert not ops["produce"] & colour
    assert not ops["digits"] & flips and not ops["document"] & flips
    assert "random_resized_crop" not in ops["industrial"] | ops["overhead"] | ops["digits"]
    assert "saturation" not in ops["industrial"] and "hue" not in ops["industrial"]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("natura", ["'natura'", "did you mean 'natural'"]),
        ("zzz", ["there are: none, natural"]),
        (None, ["name of a policy", "None"]),
        ({"op": "hue"}, ["a list of ops"]),
        (["hue"], ["op 1", "{op: name, argument: value}"]),
        ([{"delta": 1}], ["op 1", "{op: name"]),
        ([{"op": "hue"}, {"op": "flip_leftright"}], ["op 2", "did you mean 'flip_left_right'"]),
        ([{"op": "hue", "detla": 0.1}], ["hue has no argument 'detla'", "did you mean 'delta'"]),
        ([{"op": "quarter_turn", "x": 1}], ["quarter_turn has no argument 'x'", "takes none"]),
        ([{"op": "hue", "delta": 0.6}], ["hue.delta", "from 0 to 0.5", "0.6"]),
        ([{"op": "hue", "delta": True}], ["hue.delta", "True"]),
        ([{"op": "hue", "delta": "0.1"}], ["hue.delta", "'0.1'"]),
        ([{"op": "hue", "delta": float("nan")}], ["hue.delta", "nan"]),
        (
            [{"op": "contrast", "factor": [2, 1]}],
            ["contrast.factor", "[smallest, largest]", "[2, 1]"],
        ),
        ([{"op": "contrast", "factor": 2}], ["contrast.factor", "[smallest, largest]"]),
        ([{"op": "random_resized_crop", "area": [0, 1]}], ["area", "from 0.01 to 1"]),
        ([{"op": "resize", "side": 100.5}], ["resize.side", "whole number from 1", "100.5"]),
        ([{"op": "posterize", "bits": [2, 3.5]}], ["posterize.bits", "each a whole number"]),
        ([{"op": "mixup"}, {"op": "hue"}], ["mixup", "after all other ops"]),
        (
            [{"op": "affine", "fill": "reflct"}],
            ["affine.fill", "reflect, nearest, black", "'reflct'"],
        ),
    ],
)
def test_a_wrong_policy_is_one_clear_sentence(spec, said):
    with pytest.raises(ConfigError) as error:
        check_policy(spec)
    message = str(error.value)
    assert message.startswith("transform.augment: ") and "\n" not in message
    for words in said:
        assert words in message


def test_pictures_are_stored_larger_where_the_policy_crops_hard():
    assert default_stored_side((224, 224), "none") == 256
    assert default_stored_side((96, 192), "digits") == 220
    assert default_stored_side((299, 299), "natural_light") == 358
    assert default_stored_side((299, 299), "natural") == 404
    assert default_stored_side((299, 299), [{"op": "random_resized_crop"}]) > 400


def test_a_policy_is_taken_apart_into_ops_on_pictures_and_on_batches():
    on_pictures = [{"op": "hue"}, {"op": "my_task.ops.sparkle", "amount": 0.5}]
    on_batches = [{"op": "mixup"}, {"op": "cutmix", "alpha": 0.5}]
    assert split_policy(check_policy(on_pictures + on_batches)) == (on_pictures, on_batches)


def test_ops_by_import_path_are_the_users_own():
    sparkle = {"op": "my_task.ops.sparkle", "amount": "anything"}
    assert check_policy([sparkle]) == [sparkle]
    assert own_ops([sparkle, {"op": "hue"}, sparkle]) == ["my_task.ops.sparkle"]
    assert own_ops("natural") == []


def test_the_guide_shows_every_policy_and_every_op_with_its_arguments():
    guide = (Path(__file__).parents[3] / "docs" / "augmentation.md").read_text()
    for name in POLICIES:
        assert f"\n### {name}\n\n![](images/policy_{name}.jpg)\n" in guide
        assert (Path(__file__).parents[3] / f"docs/images/policy_{name}.jpg").is_file()
    rows = [line for line in guide.splitlines() if line.startswith("| `")]
    for name, arguments in ARGUMENTS.items():
        (row,) = [row for row in rows if f"`{name}`" in row.split("|")[1]]
        for argument in arguments:
            assert f"`{argument}: " in row, (name, argument)
