"""Asks a pushed model about image files."""

from pathlib import Path
from typing import Any

from components.errors import DataError, ServingError
from components.pusher.push import newest


def pushed_model(serving: Path) -> Path:
    """Returns the folder of the newest pushed version.

    Raises:
      ServingError: nothing has been pushed there.
    """
    found = newest(serving)
    if found is None:
        raise ServingError(
            f"{serving}: holds no pushed model; run the pipeline until it is blessed"
        )
    return Path(found.path)


def predict(model: Path, images: list[Path], top: int = 3) -> list[dict[str, Any]]:
    """Classifies image files by the model's own `serving_default` signature.

    Args:
      model: a SavedModel folder.
      images: JPEG, PNG, GIF or BMP files.
      top: how many classes to give for each.

    Returns:
      For each image: path, label, score, top [{label, score}], or path and error.

    Raises:
      DataError: a file cannot be read.
    """
    contents = []
    for image in images:
        try:
            contents.append(image.read_bytes())
        except OSError as e:
            raise DataError(f"{image}: cannot be read ({e.strerror})") from None

    import tensorflow as tf

    loaded = tf.saved_model.load(str(model))
    labels = [label.decode() for label in loaded.labels.numpy()]
    ask = loaded.signatures["serving_default"]
    answers: list[dict[str, Any]] = []
    for image, content in zip(images, contents, strict=True):
        try:
            said = ask(image_bytes=tf.constant([content]))
        except tf.errors.InvalidArgumentError:
            answers.append(
                {
                    "path": str(image),
                    "error": "is no picture that the model can read (JPEG, PNG, GIF or BMP)",
                }
            )
            continue
        scores = said["probabilities"][0].numpy()
        best = scores.argsort()[::-1][:top]
        answers.append(
            {
                "path": str(image),
                "label": labels[best[0]],
                "score": float(scores[best[0]]),
                "top": [{"label": labels[i], "score": float(scores[i])} for i in best],
            }
        )
    return answers
