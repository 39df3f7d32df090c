"""Chooses the facts, then lets TFX's executor work."""

from typing import Any

import tensorflow_data_validation as tfdv
from tfx.components.statistics_gen import executor
from tfx.types import artifact_utils

MEASURED = ("label", "split", "format", "width", "height", "channels", "bytes")
"""Facts over which statistics are made; a manifest's own columns come to them."""

_OPTIONS = "stats_options_json"


class Executor(executor.Executor):
    """See component.py."""

    def Do(self, input_dict: dict, output_dict: dict, exec_properties: dict[str, Any]) -> None:
        """Computes statistics for each split of the facts."""
        facts = artifact_utils.get_single_instance(input_dict["examples"])
        columns = facts.get_json_value_custom_property("columns") or []
        options = tfdv.StatsOptions.from_json(exec_properties[_OPTIONS])
        options.feature_allowlist = [*MEASURED, *(f"column/{name}" for name in columns)]
        super().Do(input_dict, output_dict, {**exec_properties, _OPTIONS: options.to_json()})
