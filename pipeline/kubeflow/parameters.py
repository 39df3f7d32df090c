"""What people may change of a compiled pipeline, in Kubeflow's own form, without a new file."""

import json
from collections.abc import Mapping
from typing import NamedTuple

from components.errors import ConfigError
from pipeline.config import Config
from pipeline.config_file import parse_config

CONFIG = "config"
"""The pipeline's parameter that holds the configuration, as YAML."""


class Parameter(NamedTuple):
    """A named parameter of the pipeline: a text, empty where the configuration decides."""

    name: str
    key: str
    """The key of the configuration that it overrides."""


PARAMETERS = (
    Parameter("data_source", "data.source"),
    Parameter("data_spans", "data.spans"),
    Parameter("max_epochs", "train.max_epochs"),
    Parameter("learning_rate", "train.phases"),  # peak rates, one a phase: 3e-3, 1e-3
    Parameter("push_destination", "push.destination"),
)


def configured(text: str, values: Mapping[str, str], where: str = "the parameter config") -> Config:
    """The configuration that a run is given: its text, with the named parameters over it.

    Args:
      text: YAML.
      values: by the names of PARAMETERS; an empty one changes nothing.
      where: what the text is called in messages.

    Raises:
      ConfigError: either is wrong.
    """
    said = {p.name: values[p.name].strip() for p in PARAMETERS if values.get(p.name, "").strip()}
    rates = said.pop("learning_rate", None)
    keys = {p.name: p.key for p in PARAMETERS}
    # A text goes over as such: "1e3" as a folder's name would otherwise be a number.
    texts = ("data_source", "push_destination")
    overrides = [
        f"{keys[name]}={json.dumps(value) if name in texts else value}"
        for name, value in said.items()
    ]
    config = parse_config(text, where, overrides)
    if rates is None:
        return config
    phases = _with_rates(config, rates)
    return parse_config(text, where, [*overrides, f"train.phases={json.dumps(phases)}"])


def _with_rates(config: Config, rates: str) -> list[dict[str, object]]:
    phases = config.train.model_dump(mode="json")["phases"]
    try:
        numbers = [float(rate) for rate in rates.split(",")]
    except ValueError:
        raise ConfigError(
            f"learning_rate {rates!r}: is no list of numbers; write 3e-3, 1e-3"
        ) from None
    if len(numbers) != len(phases):
        raise ConfigError(
            f"learning_rate {rates!r}: there are {len(phases)} phases; give as many rates, "
            "separated by commas"
        )
    return [{**phase, "learning_rate": rate} for phase, rate in zip(phases, numbers, strict=True)]
