"""Kubeflow Pipelines' six-field cron: checked, said in words, and its next times."""

import datetime
import re

from components.errors import ConfigError

_FIELDS = "second minute hour day-of-month month day-of-week"
_BOUNDS = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


def check_cron(cron: str) -> str:
    """Checks a cron of six fields, seconds first, read in UTC.

    Returns:
      It, with single spaces.

    Raises:
      ConfigError: it is none. Five fields, which the server would take and misread
        (kubeflow/pipelines 5014), are refused with the corrected line.
    """
    from croniter import croniter

    fields = cron.split()
    if len(fields) == 5 and croniter.is_valid(cron):
        raise ConfigError(
            f"cron {cron!r}: has five fields, and Kubeflow Pipelines reads six, seconds first; "
            f"write {'0 ' + ' '.join([*fields[:4], _sundays(fields[4])])!r}"
        )
    if len(fields) != 6:
        raise ConfigError(f"cron {cron!r}: has {len(fields)} fields; give six: {_FIELDS}")
    if not croniter.is_valid(" ".join(fields), second_at_beginning=True):
        raise ConfigError(
            f"cron {cron!r}: cannot be read; give six fields ({_FIELDS}), such as '0 0 3 * * *' "
            "for every night at three"
        )
    for name, field, (low, high) in zip(_FIELDS.split(), fields, _BOUNDS, strict=True):
        if not _server_reads(field, low, high):
            raise ConfigError(
                f"cron {cron!r}: Kubeflow Pipelines does not read {field!r} as {name}; it takes "
                f"{low} to {high}{', where 0 is Sunday' if high == 6 else ''}, as N, N-M upwards, "
                "*, each with /STEP, and lists of them with commas"
            )
    return " ".join(fields)


def in_words(cron: str) -> str:
    """Says a checked cron in words, such as "At 03:00:00"."""
    from cron_descriptor import Options, get_description

    options = Options()
    options.use_24hour_time_format = True
    options.verbose = True
    return get_description(cron, options)


def next_times(cron: str, after: datetime.datetime, count: int = 3) -> list[datetime.datetime]:
    """The next times of a checked cron, in UTC.

    Args:
      cron: as `check_cron` returns it.
      after: aware; the times come later than this.
      count: how many; fewer where none come within 50 years.
    """
    from croniter import CroniterBadDateError, croniter

    # The server lets both days decide where one of them begins with a star, */2 included, and
    # either of them where none does.
    days = [part[0] for field in (cron.split()[3], cron.split()[5]) for part in field.split(",")]
    times = croniter(
        cron,
        after.astimezone(datetime.UTC),
        second_at_beginning=True,
        day_or=not {"*", "?"} & set(days),
    )
    found: list[datetime.datetime] = []
    try:
        while len(found) < count:
            found.append(times.get_next(datetime.datetime))
    except CroniterBadDateError:  # 31 February, for one
        pass
    return found


def _sundays(days: str) -> str:
    """The days of the week with Sunday as 0, where five-field crons have 7 too."""
    if re.fullmatch(r"[0-6]-7", days):  # the server reads ranges upwards alone
        return f"0,{days[0]}-6" if days[0] not in "06" else "*" if days[0] == "0" else "0,6"
    return re.sub(r"(?<![0-9/-])7(?![0-9])", "0", days)


def _server_reads(field: str, low: int, high: int) -> bool:
    """Whether the server takes a field; its library, robfig/cron 1, knows less than others do."""
    names = {12: _MONTHS, 6: _DAYS}.get(high, ())
    for part in field.lower().split(","):
        read = re.fullmatch(r"([*?]|\w+(?:-\w+)?)(/[0-9]*[1-9][0-9]*)?", part)
        if read is None:
            return False
        if read[1] in "*?":
            continue
        ends = [names.index(end) + low if end in names else end for end in read[1].split("-")]
        if not all(str(end).isdecimal() for end in ends):
            return False
        if not low <= int(ends[0]) <= int(ends[-1]) <= high:
            return False
    return True
