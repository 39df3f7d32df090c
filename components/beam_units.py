"""Work on Beam, a unit at a time; a unit is a file of pictures, or a few of them."""

import json
import os
import pickle
from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import tensorflow as tf

from components.errors import DataError
from components.files import read_json


class OnUnit(beam.DoFn):
    """Does something to a unit, which lies in a file, and leaves the result in another: nothing
    but its number passes through Beam, whose in-process runner keeps in memory all that goes from
    one step to the next, and takes seconds to encode ten thousand entries."""

    def __init__(self, folder: str):
        """`folder`: for the files; all workers must reach it."""
        self._folder = folder

    def on_unit(self, number: int, unit: Any) -> Any:
        """Works on one unit.

        Args:
          number: of the unit, from 0.
          unit: as `run_units` was given it.

        Returns:
          What JSON can hold.

        Raises:
          DataError: `run_units` raises it again. Beam would bury it in a traceback of its own.
        """
        raise NotImplementedError

    def result_path(self, number: int) -> str:
        """Where the result of a unit lies."""
        return os.path.join(self._folder, f"{type(self).__name__}-{number}.json")

    def unit_path(self, number: int) -> str:
        """Where a unit lies."""
        return os.path.join(self._folder, f"{type(self).__name__}-{number}.pickle")

    def process(self, number: int) -> None:
        """For Beam."""
        with tf.io.gfile.GFile(self.unit_path(number), "rb") as file:
            unit = pickle.loads(file.read())
        try:
            outcome = {"result": self.on_unit(number, unit)}
        except DataError as error:
            outcome = {"error": str(error)}
        with tf.io.gfile.GFile(self.result_path(number), "w") as file:
            file.write(json.dumps(outcome))


def run_units(pipeline: beam.Pipeline, units: Iterable[Any], on_unit: OnUnit) -> list[Any]:
    """Runs a new pipeline over all units.

    Returns:
      Their results, in order.

    Raises:
      DataError: of the first unit that had one.
    """
    tf.io.gfile.makedirs(os.path.dirname(on_unit.result_path(0)))
    numbers = []
    for number, unit in enumerate(units):
        with tf.io.gfile.GFile(on_unit.unit_path(number), "wb") as file:
            file.write(pickle.dumps(unit))
        numbers.append(number)
    with pipeline:
        _ = (
            pipeline
            | "Units" >> beam.Create(numbers)
            | "Spread" >> beam.Reshuffle()
            | "Work" >> beam.ParDo(on_unit)
        )
    outcomes = [read_json(on_unit.result_path(number)) for number in numbers]
    for outcome in outcomes:
        if "error" in outcome:
            raise DataError(outcome["error"])
    return [outcome["result"] for outcome in outcomes]
