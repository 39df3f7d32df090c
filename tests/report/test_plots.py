import math
import re
import xml.etree.ElementTree as ET

import hypothesis
import hypothesis.strategies as st
import pytest

from pipeline.report import plots


def texts(plot):
    return [element.text for element in ET.fromstring(str(plot.svg)).iter("text")]


def lines(plot, number):
    """The points of the drawn curves of a series, a list a piece without gaps."""
    found = re.findall(rf'<path d="([^"]*)"[^>]*stroke: var\(--series-{number}\)', plot.svg)
    pieces = [piece for path in found for piece in path.split("M")[1:]]
    return [re.findall(r"([-\d.]+) ([-\d.]+)", piece) for piece in pieces]


def test_curves_leave_gaps_where_the_loss_is_no_number():
    losses = [1.0, 0.5, math.nan, 0.4, None, math.inf, 0.3]
    plot = plots.curves({"train": losses}, "loss")
    (curve,) = [points for points in lines(plot, 1) if len(points) > 1]
    assert len(curve) == 2  # a line between the first two, the others stand alone as dots
    assert "loss over 7 epochs: train ends at 0.3" in plot.svg
    assert plots.curves({"train": [None, math.nan]}, "loss") is None
    assert plots.curves({}, "loss") is None


def test_curves_name_series_and_phases():
    plot = plots.curves(
        {"train": [2.0, 1.0, 0.5], "eval": [1.0, 0.9, 0.8]}, "loss", [(0, "head"), (1, "all")]
    )
    said = texts(plot)
    for name in ("train", "eval", "head", "all", "epoch"):
        assert name in said
    assert {"1", "2", "3"} <= set(said) and "1.5" not in said


@hypothesis.settings(max_examples=20, deadline=None)
@hypothesis.given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=50))
def test_curves_stay_on_their_canvas(values):
    plot = plots.curves({"train": values}, "loss")
    _, _, width, height = map(float, re.search(r'viewBox="([^"]*)"', plot.svg)[1].split())
    for curve in lines(plot, 1):
        for x, y in curve:
            # A dot at the edge reaches over it by its own size.
            assert -5 <= float(x) <= width + 5 and -5 <= float(y) <= height + 5


def test_a_rate_over_several_powers_of_ten_is_read_in_plain_numbers():
    said = texts(plots.curves({"rate": [1e-3, 1e-4, 1e-6]}, "learning rate", log=True))
    assert "0.001" in said and not any("$" in text for text in said)


def test_the_end_of_a_cosine_does_not_squeeze_the_rest():
    said = texts(plots.curves({"rate": [1e-3, 1e-4, 1e-11]}, "learning rate", log=True))
    assert "0.001" in said and "1e−06" in said and not {"1e−08", "1e−09", "1e−10"} & set(said)


def test_calibration_counts_each_picture_in_the_bin_of_its_confidence():
    plot = plots.calibration([0.95, 0.96, 0.99, 1.0, 0.0], [True, True, False, True, False])
    assert "of 4 pictures at 0.97, 0.75 right" in plot.svg
    assert "of 1 pictures at 0.00, 0.00 right" in plot.svg
    assert plots.calibration([], []) is None


def test_ranges_name_each_run_with_its_interval():
    plot = plots.ranges({"A": (0.9, [0.85, 0.95]), "B": (0.8, None)}, "accuracy")
    assert "accuracy: A 0.9 (0.85 to 0.95); B 0.8" in plot.svg
    assert {"A", "B"} <= set(texts(plot))
    assert plots.ranges({}, "accuracy") is None


@pytest.mark.parametrize("text", ["$x^2$", "<script>alert(1)</script>", 'a & b "c"'])
def test_a_name_is_text_whatever_it_holds(text):
    plot = plots.curves({text: [1.0, 2.0], "b": [2.0, 1.0]}, text, [(0, "head")])
    assert text in texts(plot)
    assert "<script" not in plot.svg
    assert text in ET.fromstring(str(plot.svg)).attrib["aria-label"]


def test_two_plots_of_a_page_share_no_id_and_bring_no_style():
    first, second = (plots.curves({"train": [1.0, 2.0]}, "loss") for _ in range(2))
    ids = [set(re.findall(r'id="([^"]*)"', plot.svg)) for plot in (first, second)]
    assert ids[0] and not ids[0] & ids[1]
    for plot, own in zip((first, second), ids, strict=True):
        assert set(re.findall(r'(?:url\(#|href="#)([^")]*)', plot.svg)) <= own
        assert "<style" not in plot.svg and "<metadata" not in plot.svg
        assert not re.search(r"#0[12]0[12]0\d", plot.svg)  # each stands for a colour of the page
