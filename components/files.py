"""What executors do alike with the files of an artifact, on a disk or in a bucket."""

import json
import os
from typing import Any

import tensorflow as tf


def empty(folder: str) -> None:
    """Makes an artifact's folder, or clears it: a killed execution's retry is given the same
    folder, leftovers and all."""
    if tf.io.gfile.exists(folder):
        tf.io.gfile.rmtree(folder)
    tf.io.gfile.makedirs(folder)


def split_files(folder: str) -> list[str]:
    """Returns the TFRecord files in the folder of one split, sorted; hidden files left out.

    A folder that is not there holds none: not every artifact has every split.
    """
    names = sorted(tf.io.gfile.listdir(folder)) if tf.io.gfile.isdir(folder) else []
    return [os.path.join(folder, name) for name in names if not name.startswith(".")]


def write_json(folder: str, name: str, value: Any) -> None:
    """Writes a value as a JSON file, in Unicode and over several lines."""
    with tf.io.gfile.GFile(os.path.join(folder, name), "w") as file:
        file.write(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def read_json(path: str) -> Any:
    """Returns what a JSON file holds."""
    with tf.io.gfile.GFile(path) as file:
        return json.loads(file.read())
