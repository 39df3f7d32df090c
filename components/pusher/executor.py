"""Pushes the model when all who were asked bless it; otherwise says who did not, and why."""

import os
from typing import Any

from tfx.components.util import model_utils
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components.content import content_hash as hash_of
from components.files import read_json
from components.pusher.aliases import UNKNOWN_ALIASES, aliased_contents
from components.pusher.push import push
from components.pusher.versions import WITHDRAWN, Withdrawn


class Executor(base_executor.BaseExecutor):
    """See component.py for inputs, outputs and properties."""

    def Do(self, input_dict: dict, output_dict: dict, exec_properties: dict[str, Any]) -> None:
        """Pushes, or notes the reason for not doing so; raises ServingError as push() does.

        A registry that does not answer does not hold up a push: nothing is removed, and a note
        says so.
        """
        model = artifact_utils.get_single_instance(input_dict["model"])
        pushed = artifact_utils.get_single_instance(output_dict["pushed_model"])
        folder = path_utils.serving_model_dir(model.uri)
        content_hash = model.get_string_custom_property("content_hash") or hash_of(folder)
        destination, keep = exec_properties["destination"], exec_properties["keep"]
        pushed.set_string_custom_property("content_hash", content_hash)
        reason = _objection(input_dict)
        aliased: set[str] | None = None
        if not reason:
            aliased = aliased_contents(exec_properties["registry"], destination, keep)
            try:
                path = push(folder, destination, content_hash, keep, aliased, unless_withdrawn=True)
            except Withdrawn:
                reason = WITHDRAWN
                pushed.set_string_custom_property("note", f"the model was not pushed: {reason}")
        if reason:
            pushed.set_int_custom_property("pushed", 0)
            pushed.set_string_custom_property("reason", reason)
            return

        pushed.set_int_custom_property("pushed", 1)
        pushed.set_string_custom_property("pushed_destination", path)
        pushed.set_int_custom_property("pushed_version", int(os.path.basename(path)))
        if aliased is None:
            pushed.set_string_custom_property("note", f"{destination}: {UNKNOWN_ALIASES}")


def _objection(input_dict: dict) -> str:
    """Why the model must not be pushed, or an empty text."""
    if input_dict.get("blessing"):
        blessing = artifact_utils.get_single_instance(input_dict["blessing"])
        if not model_utils.is_model_blessed(blessing):
            return f"the Evaluator did not bless it{_reasons(blessing, 'blessing.json')}"
    if input_dict.get("infra_blessing"):
        blessing = artifact_utils.get_single_instance(input_dict["infra_blessing"])
        if not model_utils.is_infra_validated(blessing):
            return f"the ServingCheck did not pass{_reasons(blessing, 'infra_blessing.json')}"
    return ""


def _reasons(blessing: Any, name: str) -> str:
    """What the file beside a blessing says, as ": a; b"; empty where there is none."""
    try:
        reasons = read_json(os.path.join(blessing.uri, name)).get("reasons")
    except (OSError, ValueError):
        return ""
    return f": {'; '.join(map(str, reasons))}" if reasons else ""
