"""The image collections that come inside Python packages: builtin://digits and the like."""

import functools
import gzip
import importlib.metadata
import importlib.util
import io
import os

from components.errors import DataError
from components.image_example_gen.listing import Entry, FileState, Ids, Listing, fingerprint

PREFIX = "builtin://"


def list_sample(source: str) -> Listing:
    """Lists a built-in collection.

    builtin://digits: 1,797 handwritten digits of 8 x 8 pixels, labels "0" to "9" (scikit-learn's
    load_digits, CC BY 4.0).
    builtin://solar_cells: 2,624 electroluminescence photographs of solar cells, 300 x 300, labels
    "defective" (probability above 0.5) and "functional", columns `type` (mono or poly) and
    `probability` (ELPV, package elpv-dataset, CC BY-NC-SA 4.0; Deitsch et al., arXiv 1807.02894).

    Raises:
      DataError: there is no such collection, or its package is not installed.
    """
    name = source.removeprefix(PREFIX).strip("/")
    if name not in _SAMPLES:
        known = " and ".join(PREFIX + known for known in _SAMPLES)
        raise DataError(f"{source}: there is no such collection; there are {known}")
    list_entries, package = _SAMPLES[name]
    entries = list_entries()
    version = importlib.metadata.version(package)
    return Listing(
        source=source,
        entries=tuple(sorted(entries, key=lambda entry: entry.id)),
        rejects=(),
        notes=(),
        columns=tuple(sorted({column for entry in entries for column in entry.columns})),
        classes=tuple(sorted({entry.label for entry in entries})),
        fingerprint=fingerprint([FileState(f"{PREFIX}{name}", f"{package} {version}")]),
    )


def read_digit(location: str) -> bytes:
    """Returns the PNG of builtin://digits/<index>: 8 x 8 grey, the original 0 to 16 as 0 to 255."""
    import PIL.Image

    pixels, _ = _digits()[int(location.rpartition("/")[2])]
    buffer = io.BytesIO()
    PIL.Image.frombytes("L", (8, 8), pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def _list_digits() -> list[Entry]:
    ids = Ids()
    return [
        Entry(path, label, f"{PREFIX}digits/{index}", id=ids(path))
        for index, (_, label) in enumerate(_digits())
        for path in [f"digits/{index}.png"]
    ]


@functools.cache
def _digits() -> list[tuple[bytes, str]]:
    """64 grey values and the label of each digit.

    Read from scikit-learn's file, for importing scikit-learn would take over a second.
    """
    folder = _package_folder("sklearn", "builtin://digits", "scikit-learn", "make setup")
    digits = []
    with gzip.open(os.path.join(folder, "datasets", "data", "digits.csv.gz"), "rt") as lines:
        for line in lines:
            *pixels, label = (int(float(value)) for value in line.split(","))
            digits.append((bytes(round(value * 255 / 16) for value in pixels), str(label)))
    return digits


def _list_solar_cells() -> list[Entry]:
    package = "elpv-dataset (CC BY-NC-SA 4.0, 91 MB)"
    root = _package_folder("elpv_dataset", "builtin://solar_cells", package, "make samples")
    folder = os.path.join(root, "data")
    entries = []
    ids = Ids()
    with open(os.path.join(folder, "labels.csv"), encoding="utf-8") as labels:
        for line in labels:
            path, probability, kind = line.split()
            location = os.path.join(folder, path)
            shown = f"solar_cells/{os.path.basename(path)}"
            entries.append(
                Entry(
                    path=shown,
                    label="defective" if float(probability) > 0.5 else "functional",
                    location=location,
                    columns={"type": kind, "probability": f"{float(probability):.4g}"},
                    size=os.path.getsize(location),
                    id=ids(shown),
                )
            )
    return entries


def _package_folder(module: str, source: str, package: str, command: str) -> str:
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f"{source}: needs the package {package}; install it with `{command}`")
    return spec.submodule_search_locations[0]


_SAMPLES = {
    "digits": (_list_digits, "scikit-learn"),
    "solar_cells": (_list_solar_cells, "elpv-dataset"),
}
