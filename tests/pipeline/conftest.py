"""What several files here share: a task of two classes and its commands, and recorded runs."""

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from pipeline.cli import main


@pytest.fixture
def images(tmp_path):
    """Two class folders of twelve noisy pictures."""
    rng = np.random.default_rng(0)
    for label in ("ripe", "unripe"):
        folder = tmp_path / "bananas" / label
        folder.mkdir(parents=True)
        for i in range(12):
            pixels = rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{i}.png")
    return tmp_path / "bananas"


@pytest.fixture
def write(tmp_path, images):
    """write(**sections) -> the path of a configuration over the images."""

    def write(**sections):
        path = tmp_path / "ripeness.yaml"
        values = {"name": "ripeness", "data": {"source": str(images)}, **sections}
        path.write_text(yaml.safe_dump(values))
        return str(path)

    return write


@pytest.fixture
def graft(tmp_path):
    """graft(*arguments) -> its exit code and all that it printed."""

    def graft(*arguments):
        result = CliRunner().invoke(main, [*arguments, "--runs", str(tmp_path / "runs")])
        if not isinstance(result.exception, SystemExit | None):
            raise result.exception
        return result.exit_code, result.output

    return graft


@pytest.fixture
def recorded(tmp_path):
    """A task without runs, to which a test adds some."""
    return _lineage_records().Task(tmp_path)


@pytest.fixture(scope="module")
def two_spans(tmp_path_factory):
    """See `lineage_records.add_two_spans`; shared, so it is only read."""
    task = _lineage_records().Task(tmp_path_factory.mktemp("two_spans"))
    return _lineage_records().add_two_spans(task)


@pytest.fixture
def own_two_spans(recorded):
    """The same for one test alone."""
    return _lineage_records().add_two_spans(recorded)


def _lineage_records():
    import lineage_records  # and with it TensorFlow, which most of the tests here do without

    return lineage_records
