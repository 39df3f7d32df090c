"""What every part of the configuration is made of."""

from typing import Annotated, Any

import pydantic
from pydantic import Field

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class Section(pydantic.BaseModel):
    """A part of the configuration: immutable, and without keys that it does not know."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


def section_of(annotation: Any) -> type[Section] | None:
    """The Section inside an annotation such as `AuxiliaryHead | None` or `tuple[Phase, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        if found := section_of(inner):
            return found
    return None
