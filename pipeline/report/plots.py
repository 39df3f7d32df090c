"""The plots of a report, drawn by matplotlib as SVG inside the page.

They take the page's colours, so that they suit a light screen, a dark one and paper. Texts from
data stay out of them: they stand in tables, where they are escaped and read aloud.
"""

import collections
import functools
import io
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import markupsafe

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 15  # of the calibration plot, as of the expected calibration error
DECADES = 4  # of a logarithmic axis
# Colours that nobody would choose, in place of the page's own; see `_svg`.
_INK, _SOFT, _LINE = "#010101", "#010102", "#010103"
_SERIES = ("#020201", "#020202", "#020203", "#020204", "#020205", "#020206")
_PAGE = {
    _INK: "var(--ink)",
    _SOFT: "var(--soft)",
    _LINE: "var(--line)",
    **{colour: f"var(--series-{i})" for i, colour in enumerate(_SERIES, 1)},
}
_STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
"""Series are told apart without their colours, too."""


_STYLE: Any = {
    "font.size": 9,
    "text.color": _INK,
    "text.parse_math": False,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _LINE,
    "grid.linewidth": 0.6,
    "xtick.color": _LINE,
    "ytick.color": _LINE,
    "xtick.labelcolor": _SOFT,
    "ytick.labelcolor": _SOFT,
    "lines.linewidth": 1.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "graft",
}


class Plot(NamedTuple):
    """A plot and what it shows, in words."""

    title: str
    svg: markupsafe.Markup


Drawing = TypeVar("Drawing", bound=Callable[..., Plot | None])


def _styled(draw: Drawing) -> Drawing:
    """Draws in our style, whatever the user has set for matplotlib."""

    @functools.wraps(draw)
    def styled(*args: Any, **kwargs: Any) -> Plot | None:
        import matplotlib

        with matplotlib.rc_context({**matplotlib.rcParamsDefault, **_STYLE}):
            return draw(*args, **kwargs)

    return cast(Drawing, styled)


@_styled
def curves(
    series: Mapping[str, Sequence[float | None]],
    title: str,
    phases: Sequence[tuple[int, str]] = (),
    log: bool = False,
) -> Plot | None:
    """Draws values over the epochs.

    Args:
      series: by name, a value an epoch from the first; what is no finite number leaves a gap.
      title: what the values are.
      phases: where each phase begins, counted from 0, and its name.
      log: whether the axis is logarithmic; it shows the largest value and DECADES below it.

    Returns:
      The plot; None where there is nothing to draw.
    """
    drawn = {name: [_finite(v) for v in values] for name, values in series.items()}
    drawn = {name: v for name, v in drawn.items() if any(math.isfinite(x) for x in v)}
    if not drawn:
        return None
    figure, axes = _figure()
    for i, (name, values) in enumerate(drawn.items()):
        epochs = range(1, len(values) + 1)
        # A point alone between two gaps has no line.
        axes.plot(
            epochs, values, color=_SERIES[i % 6], ls=_STYLES[i % 6], marker=".", ms=5, label=name
        )
    most = max(map(len, drawn.values()))
    axes.set_xlim(0.5, most + 0.5)
    axes.set_xlabel("epoch")
    if log:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
        # A cosine schedule ends at nothing, which would squeeze all the rest into a line.
        largest = max(x for values in drawn.values() for x in values if math.isfinite(x))
        if largest > 0:
            axes.set_ylim(bottom=max(axes.get_ylim()[0], largest / 10**DECADES))
    _whole_numbers(axes)
    for begins, name in phases:
        if begins:
            axes.axvline(begins + 0.5, color=_SOFT, ls=":", lw=0.8)
        axes.annotate(
            name[:12],
            (begins + 0.5, 1),
            (3, 2),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            color=_SOFT,
            fontsize=8,
        )
    if len(drawn) > 1:
        axes.legend(frameon=False, labelcolor=_INK)
    last = "; ".join(f"{name} ends at {_last(values)}" for name, values in drawn.items())
    return _plot(figure, title, f"{title} over {most} epochs: {last}")


@_styled
def calibration(confidence: Sequence[float], right: Sequence[bool]) -> Plot | None:
    """Draws how often the model was right against how sure it was (Guo et al. 2017, figure 1).

    Args:
      confidence: the largest probability of each test picture, in [0, 1].
      right: whether that class was the label.
    """
    if not confidence:
        return None
    counts, hits, sums = [0] * BINS, [0] * BINS, [0.0] * BINS
    for sure, good in zip(confidence, right, strict=True):
        i = min(BINS - 1, max(0, math.ceil(sure * BINS) - 1))
        counts[i] += 1
        hits[i] += good
        sums[i] += sure
    there = [i for i in range(BINS) if counts[i]]
    figure, axes = _figure()
    shares = axes.twinx()
    shares.bar(
        [(i + 0.5) / BINS for i in range(BINS)],
        [n / len(confidence) for n in counts],
        width=0.9 / BINS,
        color=_LINE,
    )
    shares.set_ylim(0, 1)
    shares.axis("off")
    axes.set_zorder(shares.get_zorder() + 1)
    axes.patch.set_visible(False)
    axes.plot([0, 1], [0, 1], color=_SOFT, ls=":", lw=1)
    x, y = [sums[i] / counts[i] for i in there], [hits[i] / counts[i] for i in there]
    axes.plot(x, y, color=_SERIES[0], lw=0.8)
    most = max(counts)
    axes.scatter(x, y, s=[8 + 70 * counts[i] / most for i in there], color=_SERIES[0], zorder=3)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("how sure the model was")
    axes.set_ylabel("how often it was right")
    told = "; ".join(
        f"of {counts[i]:,} pictures at {sums[i] / counts[i]:.2f}, {hits[i] / counts[i]:.2f} right"
        for i in there
    )
    return _plot(figure, "calibration", f"Calibration: {told}")


@_styled
def sizes(counts: Mapping[tuple[int, int], int]) -> Plot | None:
    """Draws how large the pictures are, a dot a size, the larger the more pictures have it.

    Args:
      counts: pictures by (width, height) in pixels.
    """
    if len(counts) < 2:
        return None
    most = max(counts.values())
    figure, axes = _figure()
    common = collections.Counter(counts).most_common(500)
    axes.scatter(
        [width for (width, _), _ in common],
        [height for (_, height), _ in common],
        s=[6 + 150 * n / most for _, n in common],
        color=_SERIES[0],
        alpha=0.5,
        linewidths=0,
    )
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("width in pixels")
    axes.set_ylabel("height in pixels")
    shown = "; ".join(f"{w} by {h}: {n:,}" for (w, h), n in common[:5])
    return _plot(figure, "sizes", f"{len(counts):,} sizes of pictures, the commonest {shown}")


@_styled
def ranges(values: Mapping[str, tuple[float, Sequence[float] | None]], title: str) -> Plot | None:
    """Draws a value of each run with its interval, one below the other.

    Args:
      values: by run, the value and the ends of its interval where there is one.
      title: what the values are.
    """
    if not values:
        return None
    figure, axes = _figure(height=0.5 + 0.28 * len(values))
    for i, (value, ends) in enumerate(values.values()):
        if ends:
            axes.plot(ends, [i, i], color=_SERIES[i % 6], lw=2, solid_capstyle="butt")
        axes.plot([value], [i], "o", color=_SERIES[i % 6], ms=5)
    axes.set_yticks(range(len(values)), list(values))
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.locator_params(axis="x", nbins=5)  # more of four digits would touch
    told = "; ".join(
        f"{name} {value:.4g}" + (f" ({ends[0]:.4g} to {ends[1]:.4g})" if ends else "")
        for name, (value, ends) in values.items()
    )
    return _plot(figure, title, f"{title}: {told}")


def _figure(width: float = 4.4, height: float = 2.4) -> "tuple[Figure, Axes]":
    """An empty plot of so many inches, without pyplot."""
    from matplotlib.figure import Figure

    figure = Figure((width, height), layout="constrained")
    return figure, figure.add_subplot()


def _plot(figure: "Figure", title: str, words: str) -> Plot:
    return Plot(title, _svg(figure, words))


_COUNTER = iter(range(1, 1 << 62))


def _svg(figure: "Figure", words: str) -> markupsafe.Markup:
    """The figure as an element of the page: its colours, its fonts, and ids of its own."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font: \1px system-ui, sans-serif", text)
    text = text.replace("xlink:href", "href")
    prefix = f"plot-{next(_COUNTER)}-"
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\1{prefix}", text)
    for colour, variable in _PAGE.items():
        text = text.replace(colour, variable)
    head, body = text.split(">", 1)
    (box,) = re.findall(r'viewBox="[^"]*"', head)
    # Everything in it was written by matplotlib, which escapes what it is given.
    label = markupsafe.escape(words)
    return markupsafe.Markup(f'<svg class="plot" {box} role="img" aria-label="{label}">{body}')


def _whole_numbers(axes: "Axes") -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))


def _finite(value: Any) -> float:
    known = isinstance(value, (int, float)) and math.isfinite(value)
    return float(value) if known else math.nan


def _last(values: Iterable[float]) -> str:
    return f"{[v for v in values if math.isfinite(v)][-1]:.4g}"
