"""Six-field cron: what is refused, how it is said, and when it comes next."""

import datetime

import pytest

from components.errors import ConfigError
from pipeline.kubeflow.cron import check_cron, in_words, next_times

NOON = datetime.datetime(2026, 2, 27, 12, tzinfo=datetime.UTC)


def test_six_fields_come_back_with_single_spaces():
    assert check_cron("0  30 3 * *   MON-FRI") == "0 30 3 * * MON-FRI"


def test_five_fields_are_refused_with_the_corrected_line():
    with pytest.raises(ConfigError, match="seconds first; write '0 30 3 \\* \\* 1'"):
        check_cron("30 3 * * 1")


@pytest.mark.parametrize(
    ("days", "written"),
    [("7", "0"), ("1,7", "1,0"), ("5-7", "0,5-6"), ("6-7", "0,6"), ("0-7", "*"), ("*/7", "*/7")],
)
def test_the_corrected_line_has_sunday_as_the_server_has_it(days, written):
    with pytest.raises(ConfigError) as caught:
        check_cron(f"0 3 * * {days}")
    corrected = f"0 0 3 * * {written}"
    assert repr(corrected) in str(caught.value)
    assert check_cron(corrected) == corrected


@pytest.mark.parametrize(
    "cron", ["", "* * *", "@daily", "0 0 0 3 * * *", "0 61 3 * * *", "a b c d e f"]
)
def test_what_is_no_cron_is_refused_with_the_fields_that_it_takes(cron):
    with pytest.raises(ConfigError, match="second minute hour day-of-month month day-of-week"):
        check_cron(cron)


@pytest.mark.parametrize(
    ("cron", "named"),
    [
        ("0 0 3 * * 7", "'7' as day-of-week; it takes 0 to 6, where 0 is Sunday"),
        ("0 0 3 * * FRI-MON", "'FRI-MON' as day-of-week"),
        ("0 0 22-2 * * *", "'22-2' as hour"),
        ("0 0 3 L * *", "'L' as day-of-month"),
        ("0 0 3 * * sat#1", "'sat#1' as day-of-week"),
    ],
)
def test_what_other_programs_read_and_the_server_does_not_is_refused(cron, named):
    with pytest.raises(ConfigError, match=f"does not read {named}"):
        check_cron(cron)


@pytest.mark.parametrize(
    "cron", ["*/10 5/20 1,2,20-23 1-31/2 jan-MAR,12 ?", "0 0 3 ? * sun,2-4", "59 59 23 31 12 6"]
)
def test_what_the_server_reads_is_taken(cron):
    assert check_cron(cron) == cron


@pytest.mark.parametrize(
    ("days", "dates"),
    [
        ("1 * 1", ["03-01", "03-02", "03-09"]),  # the 1st, and Mondays
        ("*/2 * 1", ["03-09", "03-23", "04-13"]),  # Mondays of an odd date
    ],
)
def test_two_kinds_of_day_go_together_as_they_do_on_the_server(days, dates):
    times = next_times(check_cron(f"0 0 3 {days}"), NOON)
    assert [f"{time:%m-%d}" for time in times] == dates


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("0 0 3 * * *", "At 03:00"),
        ("0 30 14 * * 1", "At 14:30, only on Monday"),
        ("0 */15 * * * *", "Every 15 minutes"),
    ],
)
def test_it_is_said_in_words(cron, words):
    assert words in in_words(cron)


def test_the_first_field_is_the_second():
    times = next_times("20 10 3 * * *", NOON)
    assert [f"{time:%m-%d %H:%M:%S}" for time in times] == [
        "02-28 03:10:20",
        "03-01 03:10:20",
        "03-02 03:10:20",
    ]


def test_times_are_in_utc_wherever_it_is_asked():
    east = datetime.timezone(datetime.timedelta(hours=9))
    here, there = (next_times("0 0 3 * * *", NOON.astimezone(zone)) for zone in (None, east))
    assert here == there and there[0].utcoffset() == datetime.timedelta(0)


def test_a_day_that_never_comes_has_no_times():
    assert next_times("0 0 3 31 2 *", NOON) == []
