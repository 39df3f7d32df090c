"""A registry that is down fails its node alone; the next run finishes the push."""

import json

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from mlflow_server import mlflow_server
from PIL import Image
from ports import free_port

from components.registry_pusher.registry import get_registry
from pipeline.cli import main


@pytest.mark.slow
def test_the_next_run_registers_without_training_again(tmp_path):
    rng = np.random.default_rng(0)
    for label, level in (("dark", 60), ("light", 190)):
        (tmp_path / "images" / label).mkdir(parents=True)
        for i in range(16):
            pixels = rng.normal(level, 30, (40, 48, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / label / f"{i}.png")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    config = {
        "name": "shades",
        "data": {
            "source": str(tmp_path / "images"),
            "min_per_class": 2,
            "split": {"train": 0.5, "eval": 0.2, "test": 0.3},
        },
        "transform": {"image_size": [32, 32]},
        "train": {"phases": [{"train": "head", "epochs": 1, "learning_rate": 1e-2}]},
        "evaluate": {"thresholds": {"accuracy": {"at_least": 0.0}}},
        "push": {"registry_uri": address},
        "card": {"limits": "two shades of grey"},
    }
    (tmp_path / "shades.yaml").write_text(yaml.safe_dump(config))

    def run():
        words = ["run", str(tmp_path / "shades.yaml"), "--runs", str(tmp_path / "runs"), "--quiet"]
        code = CliRunner().invoke(main, words).exit_code
        summary = json.loads((tmp_path / "runs" / "shades" / "summary.json").read_text())
        return code, summary, {node["id"]: node["state"] for node in summary["nodes"]}

    code, summary, states = run()
    assert code == 1 and summary["error"]["node"] == "RegistryPusher"
    assert "does not answer" in summary["error"]["message"]
    assert [node for node, state in states.items() if state != "ran"] == ["RegistryPusher"]
    assert summary["pushed"].endswith("/serving/1") and summary["registered"] is None

    with mlflow_server(tmp_path / "server", port=port):
        code, summary, states = run()
        assert code == 0 and states.pop("RegistryPusher") == "ran"
        assert set(states.values()) == {"cached"}
        assert summary["registered"] == {"registry": "mlflow", "name": "shades", "version": "1"}
        assert summary["pushed"].endswith("/serving/1")
        registry = get_registry({"kind": "mlflow", "uri": address})
        entry = registry.entry("shades", "1")
        assert entry.card["limits"] == "two shades of grey" and "label" in entry.slices
        assert entry.config["data"]["source"] == str(tmp_path / "images")
