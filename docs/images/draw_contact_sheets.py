"""Draws the contact sheets of docs/augmentation.md.

    PYTHONPATH=. .venv/bin/python docs/images/draw_contact_sheets.py

The photographs are scikit-learn's, by danielbuechele and vultilion (CC BY 2.0); the digits are its
`load_digits` (CC BY 4.0); the page is drawn here.
"""

import io
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits, load_sample_image

from components.image_transform.policies import POLICIES
from pipeline.augment import preview
from pipeline.config import Config


def main() -> None:
    """Writes one JPEG a policy beside this file."""
    with tempfile.TemporaryDirectory() as folder:
        pictures = {name: Path(folder, f"{name}.png") for name in ("temple", "flower", "3", "page")}
        Image.fromarray(load_sample_image("china.jpg")).save(pictures["temple"])
        Image.fromarray(load_sample_image("flower.jpg")).save(pictures["flower"])
        digit = 255 - load_digits().images[3] * 255 / 16
        Image.fromarray(digit.astype("uint8")).save(pictures["3"])
        _page().save(pictures["page"])
        for policy in POLICIES:
            shown = {"digits": ["3"], "document": ["page"]}.get(policy, ["flower", "temple"])
            resize = "pad" if policy == "document" else "crop"
            transform = {"augment": policy, "crop_fraction": 1.0, "resize": resize}
            config = Config(name="views", data={"source": folder}, transform=transform)
            sheet = preview(config, [pictures[name] for name in shown])
            target = Path(__file__).with_name(f"policy_{policy}.jpg")
            Image.open(io.BytesIO(sheet)).save(target, quality=82, optimize=True)


def _page() -> Image.Image:
    page = Image.new("RGB", (420, 560), "#f7f4ec")
    draw = ImageDraw.Draw(page)
    draw.text((40, 40), "Receipt 2041", "#222", ImageFont.load_default(30))
    small = ImageFont.load_default(18)
    for line in range(12):
        draw.text((40, 120 + 30 * line), f"item {line + 1}", "#333", small)
        draw.text((310, 120 + 30 * line), f"{(line * 37) % 90}.50", "#333", small)
    draw.ellipse((250, 470, 370, 540), outline="#b03030", width=5)
    draw.text((278, 492), "PAID", "#b03030", ImageFont.load_default(24))
    return page


if __name__ == "__main__":
    main()
