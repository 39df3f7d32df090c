"""A program on a terminal of its own, and pictures of what stands there."""

import html
import io
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from PIL import Image

sys.path.append(str(Path(__file__).parents[2] / "tests/servers"))

from pseudo_terminal import CTRL_C, PseudoTerminal  # noqa: E402

# Names that pyte gives the sixteen colours ("brown" is its yellow), on a dark ground.
_COLOURS = {
    "default": "#d8dee9",
    "black": "#3b4252",
    "red": "#ff7b85",
    "green": "#a3d977",
    "brown": "#f0c674",
    "blue": "#81a8e0",
    "magenta": "#c9a0d8",
    "cyan": "#7fcfd4",
    "white": "#eceff4",
}
_PAGE = """<meta charset="utf-8"><style>
body {{ margin: 0; background: #1f232b; width: max-content }}
pre {{ margin: 0; padding: 14px 18px; color: #d8dee9; font: 14px/1.35 DejaVu Sans Mono, monospace }}
span {{ display: inline-block; white-space: pre; overflow: clip }}
</style><pre>{}</pre>"""


class TerminalScreen:
    """Runs a command in a window of the given size.

    Args:
      command: its words.
      shown: what stands at the prompt instead, as a person would have typed it.
      columns: width of the window in characters.
      rows: its height in lines.
      without: beginnings of paths that are nobody's business, left out of what is shown.
      **environment: variables that it is given besides.
    """

    def __init__(
        self,
        command: Sequence[object],
        shown: str,
        columns: int = 100,
        rows: int = 30,
        without: Sequence[object] = (),
        **environment: str,
    ):
        self._shown, self._size = shown, (columns, rows)
        self._without = [f"{path}/" for path in without]
        self._terminal = PseudoTerminal(command, columns=columns, rows=rows, **environment)

    def wait_for(self, text: str, seconds: float = 600) -> None:
        """Reads until a text is there, and a moment on."""
        self._terminal.wait_for(text, seconds)
        self._terminal.read_for(1)

    def end(self) -> int:
        """Reads to the program's end, however long it is silent; returns its exit code."""
        while self._terminal.process.poll() is None:
            self._terminal.read_for(1)
        return self._terminal.end()

    def stop(self) -> None:
        """Presses Ctrl-C, and reads to the end."""
        self._terminal.type(CTRL_C)
        self._terminal.end()

    @property
    def seen(self) -> str:
        """All that the program has printed."""
        return self._terminal.seen

    def shot(self, browser: Any, path: Path) -> None:
        """Writes a PNG of what stands in the window now."""
        page = browser.new_page(viewport={"width": 400, "height": 100}, device_scale_factor=1.5)
        page.set_content(_PAGE.format("\n".join(self._lines())))
        shot = Image.open(io.BytesIO(page.screenshot(full_page=True)))
        # A third of the bytes; of few colours those that are farthest apart, so green stays green.
        shot.convert("RGB").quantize(64, Image.Quantize.MAXCOVERAGE).save(path, optimize=True)
        page.close()
        print(path)

    def count_lines(self, most: int = 20_000) -> int:
        """How many lines stand in the window and above it; the last `most` of them at most."""
        return len(self._rows(most))

    def _lines(self) -> Iterator[str]:
        for row in self._rows(self._size[1]):
            runs = ((look, list(cells)) for look, cells in groupby(row, key=_look))
            yield "".join(_span(look, cells) for look, cells in runs)

    def _rows(self, height: int) -> list[list[Any]]:
        import pyte

        screen = pyte.Screen(self._size[0], height)
        screen.set_mode(pyte.modes.LNM)
        text = f"$ {self._shown}\n{self.seen}"
        for path in self._without:
            text = text.replace(path, "")
        pyte.Stream(screen).feed(text)
        rows = [
            list(screen.buffer[y][x] for x in range(screen.columns)) for y in range(screen.lines)
        ]
        while rows and not "".join(cell.data for cell in rows[-1]).strip():
            rows.pop()
        return rows


def _look(cell: Any) -> tuple[str, bool, Any]:
    # A character that the font has not got may be of another width: it stands in a span of its own.
    return cell.fg, cell.bold, cell.data.isascii() or cell.data


def _span(look: tuple[str, bool, Any], cells: list[Any]) -> str:
    colour, bold, _ = look
    colour = _COLOURS.get(colour.removeprefix("bright")) or f"#{colour}"
    style = f"width: {len(cells)}ch; color: {colour}; font-weight: {'bold' if bold else 'normal'}"
    return f'<span style="{style}">{html.escape("".join(cell.data for cell in cells))}</span>'
