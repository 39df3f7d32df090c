"""What the live table says of a running node: never more than can be known."""

import io
import os

import pytest
from rich.console import Console

from components.progress import Progress
from pipeline.live_table import LiveTable, Pace
from pipeline.stopping import Stop
from pipeline.terminal import Terminal


def paced(*seen):
    pace = Pace()
    for seconds, done in seen:
        pace.see(seconds, done)
    return pace


def test_what_is_left_follows_the_speed_of_late():
    slow_start = [(0.0, 0), (100.0, 10)]
    steady = [(100.0 + second, 10 + 20 * second) for second in range(1, 41)]
    pace = paced(*slow_start, *steady)
    assert pace.rate == pytest.approx(20)
    assert pace.left(1810) == pytest.approx(50)


@pytest.mark.parametrize(
    ("seen", "total"),
    [
        ([], 100),
        ([(0.0, 10)], 100),  # one look only
        ([(0.0, 10), (0.5, 20)], 100),  # too early
        ([(0.0, 10), (5.0, 20)], None),  # nobody said how many there are
        ([(0.0, 10), (5.0, 100)], 100),  # all are done, and it goes on with something else
        ([(0.0, 10), (5.0, 20), (30.0, 20)], 100),  # it stands
        ([(0.0, 10), (5.0, 20), (6.0, 5)], 100),  # it began anew
        ([(0.0, 10), (5.0, 20), (60.0, 21)], 100),  # it goes on after a stop, nobody knows how fast
    ],
)
def test_nothing_is_said_of_what_nobody_can_know(seen, total):
    assert paced(*seen).left(total) is None


def test_a_slow_count_does_not_stand_between_two_steps():
    looks = [(quarter / 4, quarter // 80) for quarter in range(4 * 90)]  # one in 20 s, long batches
    assert paced(*looks).left(10) == pytest.approx(120, rel=0.01)


def drawn(table, width=80, height=24):
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None)
    console.print(table, end="")
    return console.file.getvalue().splitlines()


@pytest.fixture
def table(tmp_path):
    table = LiveTable(Terminal(io.StringIO()), str(tmp_path), Stop())
    table.expect([f"Node{i}" for i in range(12)], {"Node3": 31.25})
    return table


@pytest.mark.parametrize("height", range(1, 20))
@pytest.mark.parametrize("width", [20, 80])
def test_it_fits_any_window(table, tmp_path, width, height):
    with table.running("Node3"):
        Progress(str(tmp_path / "Node3" / ".system"), total=10**9).add(10**6, "phase 1/2 " * 20)
        lines = drawn(table, width, height)
    assert len(lines) <= max(height - 1, 1)
    assert all(len(line) < width for line in lines)
    assert lines[0].split()[1] == "Node3"


def test_a_killed_runs_progress_is_not_taken_for_this_ones(table, tmp_path):
    Progress(str(tmp_path / "Node3" / ".system"), total=100).add(90)
    (left,) = (tmp_path / "Node3" / ".system").iterdir()
    os.utime(left, (left.stat().st_mtime - 10,) * 2)
    with table.running("Node3"):
        assert not any("90" in line for line in drawn(table))
        assert "last time 31.2 s" in drawn(table)[1]


def test_a_total_that_was_too_small_is_dropped(table, tmp_path):
    with table.running("Node3"):
        Progress(str(tmp_path / "Node3" / ".system"), total=100).add(150)
        assert drawn(table)[1].strip() == "150 images"


def test_hostile_notes_are_shown_harmlessly(table, tmp_path):
    with table.running("Node3"):
        Progress(str(tmp_path / "Node3" / ".system"), total=100).add(50, "[red]\x1b[2J\u202e")
        assert "[red]\\x1b[2J\\u202e" in drawn(table)[1]
