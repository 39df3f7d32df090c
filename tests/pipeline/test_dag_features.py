import pytest

from pipeline.config import Config
from pipeline.dag import create_pipeline, feature_views
from pipeline.places import Places

HEAD = {"train": "head", "epochs": 3, "learning_rate": 1e-3}
ALL = {"train": "all", "epochs": 5, "learning_rate": 1e-4}


@pytest.fixture
def make_config(tmp_path):
    module = tmp_path / "module"
    module.mkdir()
    (module / "saved_model.pb").write_bytes(b"")

    def make(phases, transform=None, **train):
        return Config.model_validate(
            {
                "name": "task",
                "data": {"source": "builtin://digits"},
                "transform": transform or {},
                "model": {"backbone": {"handle": str(module)}},
                "train": {"phases": phases, **train},
            }
        )

    return make


def nodes(config, tmp_path):
    pipeline = create_pipeline(config, Places.of(tmp_path / "runs", config))
    return {node.id: node for node in pipeline.components}


@pytest.mark.parametrize("augment", ["none", "natural"])
@pytest.mark.parametrize(
    ("phases", "there"),
    [([HEAD], True), ([HEAD, ALL], True), ([HEAD, ALL, HEAD], True), ([ALL, HEAD], False)],
)
def test_features_are_extracted_where_the_first_phase_is_head_only(
    make_config, tmp_path, phases, there, augment
):
    found = nodes(make_config(phases, {"augment": augment}), tmp_path)
    assert ("FeatureExtractor" in found) == there
    assert ("features" in found["Trainer"].inputs) == there


@pytest.mark.parametrize(
    ("phases", "transform", "views"),
    [
        ([HEAD, ALL], {"augment": "none", "views": 9}, 1),
        ([HEAD, ALL], {"augment": [], "views": 9}, 1),
        ([HEAD, ALL], {"augment": "natural", "views": 2}, 2),
        ([HEAD, ALL], {"augment": "natural"}, 3),
        ([HEAD, HEAD, ALL, HEAD], {"augment": "natural", "views": 64}, 6),
    ],
)
def test_no_more_views_are_computed_than_are_seen(make_config, tmp_path, phases, transform, views):
    config = make_config(phases, transform)
    assert feature_views(config) == views
    extractor = nodes(config, tmp_path)["FeatureExtractor"]
    assert extractor.exec_properties["views"] == views


def test_max_epochs_bounds_the_views_too(make_config):
    config = make_config([HEAD, ALL], {"augment": "natural"}, max_epochs=1)
    assert feature_views(config) == 1


def test_views_concern_the_feature_extractor_alone(make_config, tmp_path):
    few, many = (
        nodes(make_config([HEAD, ALL], {"augment": "natural", "views": n}), tmp_path)
        for n in (1, 2)
    )
    for id in ("ImageExampleGen", "ImageTransform", "Trainer"):
        assert few[id].exec_properties == many[id].exec_properties
