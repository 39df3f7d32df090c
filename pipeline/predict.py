"""Asks a pushed model about image files."""

import contextlib
from pathlib import Path
from typing import Any

from components.errors import ServingError
from components.image_example_gen.normalising import normalised
from components.image_example_gen.pictures import MAX_PIXELS, Unusable
from components.pusher.push import newest
from pipeline.lineage import read_run, run_ids
from pipeline.places import Places
from pipeline.stores import open_store

SIGNATURE = "serving_examples"  # the one that names every class


def pushed_model(places: Places) -> str:
    """Returns the folder of the newest pushed version, where the last run would push to.

    Raises:
      ServingError: nothing has been pushed there.
    """
    serving = places.serving(_last_destination(places))
    found = newest(serving)
    if found is None:
        raise ServingError(
            f"{serving}: holds no pushed model; run the pipeline until it is blessed"
        )
    return found.path


def _last_destination(places: Places) -> str | None:
    store = open_store(places.metadata)
    runs = run_ids(store, places.name)
    last = read_run(store, runs[-1]) if runs else None
    return last.config["push"]["destination"] if last else None


def predict(model: str, images: list[Path], top: int = 3) -> list[dict[str, Any]]:
    """Classifies image files as the model would if it were served.

    Args:
      model: a SavedModel folder, on a disk or in a bucket.
      images: files of the formats that can be trained on.
      top: how many classes to give for each.

    Returns:
      For each image: path, label, score, top [{label, score}], or path and error.

    Raises:
      ServingError: the model was put there by other hands, and is not one of ours.
    """
    import tensorflow as tf

    loaded = tf.saved_model.load(model)
    if SIGNATURE not in loaded.signatures:
        raise ServingError(
            f"{model}: has no signature {SIGNATURE}, so it was not pushed by this pipeline; move "
            "it away, and the newest version below it answers"
        )
    ask = loaded.signatures[SIGNATURE]
    answers: list[dict[str, Any]] = []
    for image in images:
        try:
            content = image.read_bytes()
        except OSError as e:
            answers.append({"path": str(image), "error": f"cannot be read ({e.strerror})"})
            continue
        with contextlib.suppress(Unusable):  # the model then says that it cannot read it
            content = normalised(content, MAX_PIXELS)
        feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[content]))
        example = tf.train.Example(features=tf.train.Features(feature={"image": feature}))
        try:
            said = ask(examples=tf.constant([example.SerializeToString()]))
            readable = "error" not in said or not said["error"][0].numpy()
        except tf.errors.InvalidArgumentError:  # of a model that has no output `error`
            readable = False
        if not readable:
            error = "is no picture that can be read (JPEG, PNG, GIF, BMP, WebP or TIFF)"
            answers.append({"path": str(image), "error": error})
            continue
        scores, names = said["probabilities"][0].numpy(), said["all_classes"][0].numpy()
        best = [
            {"label": names[i].decode(), "score": float(scores[i])}
            for i in scores.argsort()[::-1][:top]
        ]
        answers.append({"path": str(image), **best[0], "top": best})
    return answers
