"""A configuration file and what is set beside it, read and checked, with messages for people."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pydantic
import yaml

from components.errors import ConfigError, nearest
from pipeline.config import Config
from pipeline.section import section_of


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Reads and checks a configuration file.

    Args:
      path: a YAML file.
      overrides: "key.subkey=value" texts, the value in YAML; they win over the file.

    Raises:
      ConfigError: naming the file, the key and what to do.
    """
    return parse_config(read_config(path), path, overrides)


def read_config(path: str | Path) -> str:
    """Reads the text of a configuration file.

    Raises:
      ConfigError: it cannot be read.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as e:
        raise ConfigError(
            f"{path}: cannot be read ({e.strerror}); give an existing YAML file, "
            "such as configs/digits.yaml"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not a text in UTF-8; give a YAML file") from None


def parse_config(text: str, where: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Checks the text of a configuration.

    Args:
      text: YAML.
      where: what the text is called in messages, as a rule its file.
      overrides: see `load_config`.

    Raises:
      ConfigError: naming `where`, the key and what to do.
    """
    values = _values(text, where, overrides)
    try:
        return Config.model_validate(values)
    except pydantic.ValidationError as e:
        # A list whose items are all wrong also counts as too short: its items have said it already.
        said = [x for x in e.errors() if x["type"] != "too_short" or not x["input"]]
        raise ConfigError("\n".join(_sentence(where, error) for error in said)) from None


def with_overrides(text: str, where: str | Path, overrides: Sequence[str]) -> str:
    """Returns the text of a configuration with overrides in it; its comments are gone.

    Args and errors: see `parse_config`.
    """
    values = _values(text, where, overrides)
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def _values(text: str, where: str | Path, overrides: Sequence[str]) -> dict[str, Any]:
    try:
        values = yaml.load(text, _Loader)
    except yaml.YAMLError as e:
        hint = "; indent by spaces, not by tabs" if "'\\t'" in str(e) else ""
        spot = str(e).replace('"<unicode string>"', str(where))
        raise ConfigError(f"{where}: is not valid YAML{hint}: {spot}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{where}: holds no keys; see `graft config` for what may stand in it")
    for override in overrides:
        _override(values, override)
    return values


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, where YAML's own would take the last in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands there twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {override}: write key=value, such as train.max_epochs=1")
    *parents, last = key.strip().split(".")
    for parent in parents:
        child = values.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"--set {override}: {parent} has no keys below it")
        values = child
    try:
        values[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise ConfigError(f"--set {override}: the value is not valid YAML") from None


def _sentence(path: str | Path, error: Any) -> str:
    """One validation error as: file: key: what is wrong; what to do."""
    location = [str(part) for part in error["loc"]]
    key = ".".join(location)
    if error["type"] == "extra_forbidden":
        known = _keys_at(error["loc"][:-1])
        return f"{path}: {key}: there is no such key{nearest(location[-1], known)}"
    if error["type"] == "missing":
        return f"{path}: {key}: is required; add it (`graft config` prints every key)"
    if location[-1:] == ["[key]"]:  # of a mapping whose keys are fixed
        key, known = ".".join(location[:-1]), error["ctx"]["expected"]
        return f"{path}: {key}: there is no such key; there are: {known}"
    if error["type"] == "model_type":
        empty = "is empty" if error["input"] is None else "holds no keys"
        return f"{path}: {key}: {empty}; remove it, or give it keys (`graft config` prints them)"
    message = error["msg"].removeprefix("Value error, ").replace("a valid tuple", "a list")
    message = message.replace("Tuple should", "List should")
    begins = re.match(r"(\w+)[\w.\[\]]*: ", message)
    if begins and begins[1] in _keys_at(error["loc"]):  # what the check of a whole section said
        return f"{path}: {'.'.join([*location, message])}"
    given = error.get("input")
    shown = f", not {given!r}" if isinstance(given, (str, int, float, bool)) else ""
    return f"{path}: {key + ': ' if key else ''}{message[:1].lower() + message[1:]}{shown}"


def _keys_at(location: tuple[Any, ...]) -> list[str]:
    section: Any = Config
    for part in location:
        field = section.model_fields.get(part) if hasattr(section, "model_fields") else None
        if field is None:
            continue  # an index or a dictionary key: the section stays
        section = section_of(field.annotation) or section
    return list(section.model_fields)
