"""The commented configuration that `graft config` prints: every key, its meaning, its default."""

import textwrap
from typing import Any

import yaml
from pydantic_core import PydanticUndefined

from pipeline.config import Config
from pipeline.section import Section, section_of

_WIDTH = 96


def config_text() -> str:
    """Returns YAML with every key at its default, each under a comment that explains it.

    Keys without a default stand there as examples, marked as required.
    """
    return "\n".join(_lines(Config, 0)) + "\n"


_REQUIRED = {"name": "my-task", "source": "./images"}


def _lines(section: type[Section], indent: int) -> list[str]:
    lines: list[str] = []
    space = " " * indent
    for name, field in section.model_fields.items():
        required = field.default is PydanticUndefined
        comment = (field.description or "") + (" Required." if required and name != "data" else "")
        lines += textwrap.wrap(
            comment, _WIDTH, initial_indent=f"{space}# ", subsequent_indent=f"{space}# "
        )
        nested = section_of(field.annotation)
        of_one = isinstance(field.annotation, type)
        if nested is not None and of_one:
            lines += [f"{space}{name}:", *_lines(nested, indent + 2)]
        else:
            lines += _keys(nested, space) if nested is not None else []
            value = _REQUIRED.get(name) if required else _plain(field.default)
            lines.append(f"{space}{name}: {_flow(value)}")
        if indent == 0:
            lines.append("")
    return lines


def _keys(section: type[Section], space: str) -> list[str]:
    """What may stand in each item of a list or a mapping, or in what is left out by default."""
    lines = []
    for name, field in section.model_fields.items():
        default = "required" if field.is_required() else _flow(_plain(field.default))
        lines += textwrap.wrap(
            f"{name} ({default}): {field.description}",
            _WIDTH,
            initial_indent=f"{space}#   ",
            subsequent_indent=f"{space}#     ",
        )
    return lines


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return value.model_dump(mode="json", exclude_defaults=True)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _flow(value: Any) -> str:
    """A value on one line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")
