import pytest

from components.errors import ConfigError
from pipeline.kubeflow.parameters import PARAMETERS, configured

TEXT = """
name: ripeness
data: {source: /mnt/graft/bananas, spans: 2}
train:
  phases:
    - {train: head, epochs: 3, learning_rate: 1.0e-3}
    - {train: all, epochs: 5, learning_rate: 1.0e-4}
"""


def test_empty_parameters_change_nothing():
    assert configured(TEXT, {p.name: "" for p in PARAMETERS}) == configured(TEXT, {})


def test_a_named_parameter_wins_over_the_text():
    config = configured(
        TEXT,
        {
            "data_source": "/mnt/graft/1e3",
            "data_spans": "5",
            "max_epochs": "1",
            "learning_rate": "3e-3, 2e-4",
            "push_destination": "/mnt/models",
        },
    )
    assert config.data.source == "/mnt/graft/1e3"
    assert config.data.spans == 5
    assert config.train.max_epochs == 1
    assert [phase.learning_rate for phase in config.train.phases] == [3e-3, 2e-4]
    assert [phase.epochs for phase in config.train.phases] == [3, 5]
    assert config.push.destination == "/mnt/models"


def test_a_source_that_looks_like_a_number_stays_a_text():
    assert configured(TEXT, {"data_source": "1e3"}).data.source == "1e3"


@pytest.mark.parametrize(
    "values, said",
    [
        ({"learning_rate": "1e-3"}, "there are 2 phases; give as many rates"),
        ({"learning_rate": "fast, slow"}, "is no list of numbers"),
        ({"data_spans": "none at all"}, "data.spans"),
        ({"max_epochs": "0"}, "train.max_epochs"),
    ],
)
def test_a_wrong_parameter_is_named(values, said):
    with pytest.raises(ConfigError, match=said):
        configured(TEXT, values)
