"""Whether a picture that no data set holds is one of theirs, saved anew."""

from collections.abc import Sequence
from pathlib import Path

from components.image_example_gen.near_copies import DIFFERENCE, all_near, near_marks
from components.image_example_gen.normalising import normalised
from components.image_example_gen.pictures import MAX_PIXELS, Unusable
from pipeline.sightings import HISTORY, lines_of
from pipeline.tracing import Dataset


def near_copies(datasets: Sequence[Dataset], file: Path) -> list[dict[str, str]] | None:
    """Returns the pictures of which a file is a near-copy: saved anew, smaller, a little lighter.

    Args:
      datasets: where to look.
      file: a picture, on a disk.

    Returns:
      {"path", "content", "group"}, each content once; None where nobody can tell: the file is no
      picture or of one shade, or a data set was made without marks of near-copies.
    """
    differences = [one.runs[0].config["data"].get("near_copies") for one in datasets]
    mark = mark_of(file.read_bytes()) if all(differences) else ""
    if not mark:
        return None
    rows: dict[str, dict[str, str]] = {}
    for dataset in datasets:
        for row in lines_of(dataset.facts, HISTORY, [""]):
            rows.setdefault(row["content"], row)
    known = list(rows.values())
    places = all_near(mark, [row["near"] for row in known], max(differences, default=DIFFERENCE))
    return [{key: known[place][key] for key in ("path", "content", "group")} for place in places]


def mark_of(data: bytes) -> str:
    """Returns by what near-copies of a picture are known, as ImageExampleGen takes it: see
    `near_marks`; "" also where it is no picture that can be used."""
    from components.image_example_gen.decoder import decode_all  # imports TensorFlow

    try:
        (decoded,) = decode_all([normalised(data, MAX_PIXELS)])
    except Unusable:
        return ""
    return "" if isinstance(decoded, str) else near_marks(decoded.small[None])[0]
