"""Text from data as it may be shown to a person, on a terminal or a page.

Labels, paths and messages come from anywhere. A terminal obeys control characters in them, and
marks of writing direction turn a line round anywhere, so both are shown as what they are.
"""

import json
import re
from typing import Any

# Controls, line separators, marks of direction, invisible ones, and halves of characters, by which
# Python keeps the bytes of a file name that are no UTF-8.
_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def harmless(text: Any, lines: bool = False) -> str:
    r"""Text from data as it may be shown: what would be obeyed stands there as \x1b, \u202e.

    Args:
      text: anything; `str` of it is shown.
      lines: whether line breaks stay, as in a message of several lines.
    """
    return _HARMFUL.sub(lambda found: _escaped(found[0], lines), str(text))


def harmless_json(value: Any, **how: Any) -> str:
    """A value as JSON in which such characters stand as JSON's own escapes: it reads back alike.

    Args:
      value: what JSON can say.
      how: further arguments of `json.dumps`.
    """
    text = json.dumps(value, ensure_ascii=False, **how)
    return _HARMFUL.sub(lambda it: it[0] if it[0] == "\n" else f"\\u{ord(it[0]):04x}", text)


def _escaped(character: str, lines: bool) -> str:
    if lines and character == "\n":
        return character
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
