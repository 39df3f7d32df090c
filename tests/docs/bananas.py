"""The pictures that the guides speak of: drawn bananas, and what goes wrong among real ones."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

_SKIN = {"ripe": (226, 190, 60), "unripe": (120, 170, 70)}


def draw_bananas(root: Path) -> None:
    """Makes `bananas/`, `new/` and `bananas.csv` in a folder."""
    for number in range(40):
        for label in _SKIN:
            _save(root / "bananas" / label / f"{number:02}.jpg", _banana(label, number))
    for number in range(40, 52):
        for label in _SKIN:
            _save(root / "new" / label / f"{number:02}.jpg", _banana(label, number))
    whole = _bytes(_banana("ripe", 60))
    ripe = root / "bananas" / "ripe"
    (ripe / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (ripe / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(64))
    (ripe / "notes.txt").write_text("the tree by the gate")
    (root / "bananas" / "lost.jpg").write_bytes(_bytes(_banana("ripe", 61)))
    rows = ["path,label,split,tree"]
    for number in range(40):
        for label in _SKIN:
            rows.append(f"bananas/{label}/{number:02}.jpg,{label},,tree-{number // 4}")
    (root / "bananas.csv").write_text("\n".join(rows) + "\n")


def _banana(label: str, number: int) -> Image.Image:
    rng = np.random.default_rng([number, label == "ripe"])
    skin = np.clip(rng.normal(_SKIN[label], 12), 0, 255).astype(int)
    ground = tuple(int(x) for x in rng.integers(60, 200) + rng.integers(-15, 16, 3))
    image = Image.new("RGB", (160, 120), ground)
    x, y = rng.integers(5, 40, 2)
    draw = ImageDraw.Draw(image)
    draw.arc((x, y - 30, x + 100, y + 60), 10, 170, tuple(int(c) for c in skin), width=34)
    noise = rng.normal(0, 6, (120, 160, 3))
    pixels = np.clip(np.asarray(image, float) + noise, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels).rotate(float(rng.uniform(-180, 180)), fillcolor=ground)


def _bytes(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def _save(path: Path, image: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_bytes(image))
