"""The MLmodel folder that MLflow wants around a SavedModel, so that its own loaders load it."""

import base64
import importlib.metadata
import io
import json
import os
import platform
import shutil
from pathlib import Path

from PIL import Image, ImageDraw

from components.registry_pusher.model_card import model_card
from components.registry_pusher.registry import Entry

SAVED_MODEL = "saved_model"
CARD = "MODEL_CARD.md"


def write_whole(folder: Path, entry: Entry, mlflow_run_id: str) -> None:
    """Writes an MLflow model with its SavedModel, and `entry.json` beside it: whole or not at all.

    Args:
      folder: what lies there is replaced.
      entry: the model.
      mlflow_run_id: MLflow's run.

    Raises:
      RegistryError: the SavedModel is gone or was changed.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    with entry.model_folder() as source:
        for leftover in (partial, folder):
            shutil.rmtree(leftover, ignore_errors=True)
        shutil.copytree(source, partial / SAVED_MODEL)
    write_mlmodel(partial, entry, mlflow_run_id)
    (folder.parent / "entry.json").write_text(
        json.dumps(entry.to_json(), indent=2), encoding="utf-8"
    )
    os.rename(partial, folder)


def write_mlmodel(folder: Path, entry: Entry, mlflow_run_id: str) -> None:
    """Writes what stands beside the SavedModel in an MLflow model.

    With the SavedModel in `saved_model/` of the same folder, `mlflow.tensorflow.load_model` gives
    its `serving_default` signature, and `mlflow.pyfunc.load_model(...).predict` takes a table or
    a mapping with `image_bytes` and gives `label`, `score`, `probabilities`, `error`. The
    input example is a drawn picture: a registry must not be one more place to delete somebody's
    pictures from.

    Args:
      folder: holds nothing, or the SavedModel alone.
      entry: the model.
      mlflow_run_id: MLflow's run.
    """
    from mlflow import pyfunc
    from mlflow.models import Model, ModelSignature
    from mlflow.types.schema import Array, ColSpec, DataType, Schema

    signature = ModelSignature(
        inputs=Schema([ColSpec(DataType.binary, "image_bytes")]),
        outputs=Schema(
            [
                ColSpec(DataType.string, "label"),
                ColSpec(DataType.float, "score"),
                ColSpec(Array(DataType.float), "probabilities"),
                ColSpec(DataType.string, "error"),
            ]
        ),
    )
    model = Model(artifact_path="model", run_id=mlflow_run_id, signature=signature)
    model.metadata = {
        "content_hash": entry.content_hash,
        "labels": entry.labels,
        "image_size": entry.image_size,
    }
    # Of MLflow's three kinds of TensorFlow models this one speaks through a named signature; the
    # one for TF2 calls the loaded object itself, and knows no names.
    model.add_flavor(
        "tensorflow",
        model_type="tf1-estimator",
        saved_model_dir=SAVED_MODEL,
        meta_graph_tags=["serve"],
        signature_def_key="serving_default",
    )
    pyfunc.add_to_model(model, loader_module="mlflow.tensorflow", python_env="python_env.yaml")

    (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in _requirements()))
    (folder / "python_env.yaml").write_text(
        f"python: {platform.python_version()}\ndependencies:\n- -r requirements.txt\n"
    )
    model.saved_input_example_info = _write_example(folder, entry.image_size)
    (folder / CARD).write_text(model_card(entry), encoding="utf-8")
    model.save(str(folder / "MLmodel"))


def drawn_picture(height: int, width: int) -> bytes:
    """A PNG of a disc on a shaded ground, nobody's picture; equal sizes give equal bytes."""
    shade = Image.linear_gradient("L").resize((width, height))
    picture = Image.merge("RGB", (shade, shade.rotate(180), shade))
    box = (width // 4, height // 4, width - width // 4 - 1, height - height // 4 - 1)
    ImageDraw.Draw(picture).ellipse(box, fill=(220, 180, 40))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _write_example(folder: Path, image_size: list[int]) -> dict[str, str]:
    """Writes the example as MLflow reads it, and as its server takes it. Returns what MLmodel says
    of it."""
    picture = drawn_picture(*(image_size or (96, 96)))
    table = {"columns": ["image_bytes"], "data": [[base64.b64encode(picture).decode()]]}
    said = {
        "artifact_path": "input_example.json",
        "serving_input_path": "serving_input_example.json",
        "type": "dataframe",
        "pandas_orient": "split",
    }
    (folder / said["artifact_path"]).write_text(json.dumps(table))
    (folder / said["serving_input_path"]).write_text(json.dumps({"dataframe_split": table}))
    return said


def _requirements() -> list[str]:
    """What a machine needs that loads the model: MLflow, and the TensorFlow that wrote it."""
    lines = []
    for package, needed in (("mlflow-skinny", "mlflow"), ("tensorflow", "tensorflow")):
        try:
            lines.append(f"{needed}=={importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            lines.append(needed)
    return lines
