"""Chooses which test pictures to send: every kind of file that there is, rare kinds first."""

import collections
import io
from collections.abc import Sequence

from PIL import Image

_ORIENTATION = 0x0112  # Exif


def kind(image: bytes) -> str:
    """Returns what decoders treat apart, such as "JPEG RGB" or "JPEG CMYK orientation 6".

    Only the header is read. A file that Pillow cannot open is of the kind "other".
    """
    try:
        with Image.open(io.BytesIO(image)) as opened:
            orientation = opened.getexif().get(_ORIENTATION, 1)
            name = f"{opened.format} {opened.mode}"
    except Exception:  # Pillow raises what its plug-ins raise
        return "other"
    return name if orientation == 1 else f"{name} orientation {orientation}"


def choose(kinds: Sequence[str], most: int) -> list[int]:
    """Returns sorted positions of at most `most` pictures.

    Every kind has an equal claim. What the rare ones leave of theirs goes to the commoner ones, so
    odd pictures are all there unless they are many. Within a kind, they are spread evenly.
    """
    positions = collections.defaultdict(list)
    for i, name in enumerate(kinds):
        positions[name].append(i)
    chosen: list[int] = []
    rare_first = sorted(positions.values(), key=len)
    for i, of_kind in enumerate(rare_first):
        share = -(-(most - len(chosen)) // (len(rare_first) - i))
        take = min(len(of_kind), share)
        chosen += [of_kind[j * len(of_kind) // take] for j in range(take)]
    return sorted(chosen)
