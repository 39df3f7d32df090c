"""Kubeflow Pipelines' six-field cron: checked, said in words, and its next times."""

import datetime

from components.errors import ConfigError

_FIELDS = "second minute hour day-of-month month day-of-week"


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
            f"write {'0 ' + ' '.join(fields)!r}"
        )
    if len(fields) != 6:
        raise ConfigError(f"cron {cron!r}: has {len(fields)} fields; give six: {_FIELDS}")
    if not croniter.is_valid(" ".join(fields), second_at_beginning=True):
        raise ConfigError(
            f"cron {cron!r}: cannot be read; give six fields ({_FIELDS}), such as '0 0 3 * * *' "
            "for every night at three"
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

    times = croniter(cron, after.astimezone(datetime.UTC), second_at_beginning=True)
    found: list[datetime.datetime] = []
    try:
        while len(found) < count:
            found.append(times.get_next(datetime.datetime))
    except CroniterBadDateError:  # 31 February, for one
        pass
    return found
