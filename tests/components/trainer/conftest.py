import pytest
from trainer_samples import (
    model_section,
    train_section,
    write_module,
    write_preprocessing,
    write_split,
)

from components.feature_extractor.extract import Extractor
from components.trainer.fn_args import FnArgs
from components.trainer.records import load_preprocessing, record_files

VIEWS = 2


@pytest.fixture(scope="session")
def module(tmp_path_factory):
    return write_module(tmp_path_factory.mktemp("module") / "tiny")


@pytest.fixture(scope="session")
def examples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    write_split(folder, "train", 50)
    write_split(folder, "eval", 19)
    return str(folder)


@pytest.fixture(scope="session")
def preprocessing(tmp_path_factory):
    return write_preprocessing(tmp_path_factory.mktemp("preprocessing"))


@pytest.fixture(scope="session")
def augmenting(tmp_path_factory):
    policy = [{"op": "flip_left_right"}, {"op": "brightness"}]
    return write_preprocessing(tmp_path_factory.mktemp("augmenting"), policy)


@pytest.fixture(scope="session")
def mixing(tmp_path_factory):
    policy = [{"op": "flip_left_right"}, {"op": "mixup", "alpha": 1.0}, {"op": "cutmix"}]
    return write_preprocessing(tmp_path_factory.mktemp("mixing"), policy)


@pytest.fixture(scope="session")
def features(tmp_path_factory, module, examples, augmenting):
    """FnArgs of the feature files: of two augmented views, and of the eval split as served."""
    folder = tmp_path_factory.mktemp("features")
    extractor = Extractor(module, load_preprocessing(augmenting))
    for split, views in (("train", range(VIEWS)), ("eval", [None])):
        (folder / f"Split-{split}").mkdir()
        for view in views:
            for number, file in enumerate(record_files(examples, split)):
                target = folder / f"Split-{split}" / f"view_{view or 0}-{number}.gz"
                extractor.extract(file, str(target), view)
    return {
        f"{split}_feature_files": record_files(folder, split) for split in ("train", "eval")
    } | {"preprocessing": augmenting}


@pytest.fixture
def make_fn_args(tmp_path, module, examples, preprocessing):
    """FnArgs of a short training; keyword arguments replace any of them."""

    def make(name="run", **changes):
        model_run = tmp_path / name / "model_run"
        model_run.mkdir(parents=True, exist_ok=True)
        values = {
            "train_files": record_files(examples, "train"),
            "eval_files": record_files(examples, "eval"),
            "train_feature_files": (),
            "eval_feature_files": (),
            "preprocessing": preprocessing,
            "model": model_section(module),
            "train": train_section(("head", 2, 1e-2), ("all", 2, 1e-2)),
            "seed": 11,
            "checkpoints": str(tmp_path / name / "checkpoints"),
            "serving_model": str(tmp_path / name / "Format-Serving"),
            "model_run": str(model_run),
        }
        return FnArgs(**(values | changes))

    return make
