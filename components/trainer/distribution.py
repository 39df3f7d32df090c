"""Several GPUs of one machine as one: each takes its share of every batch."""

import logging
from collections.abc import Iterable

import tensorflow as tf

from components.backbone.handles import TF2_FORMAT


def get_devices() -> list[str]:
    """The GPUs that TensorFlow sees."""
    return [device.name for device in tf.config.list_logical_devices("GPU")]


def get_strategy(module_format: str) -> tf.distribute.Strategy:
    """The strategy to load and train in: mirrored where there are several GPUs.

    Args:
      module_format: of the backbone. A module in the TF1 Hub format trains on one GPU: the
        functions that are cut out of its graph name the variables of one copy.
    """
    devices = get_devices()
    if len(devices) < 2:
        return tf.distribute.get_strategy()
    if module_format != TF2_FORMAT:
        logging.getLogger(__name__).warning(
            "a module in the %s trains on one of the %d GPUs", module_format, len(devices)
        )
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy(devices)


def average_copies(strategy: tf.distribute.Strategy, variables: Iterable[tf.Variable]) -> None:
    """Gives each device the mean of what the devices have, as moving averages need it.

    Each device moves its own by the part of the batch that it sees.
    """
    if strategy.num_replicas_in_sync == 1:
        return
    for variable in variables:
        copies = strategy.experimental_local_results(variable)
        variable.assign(tf.add_n([tf.identity(copy) for copy in copies]) / len(copies))
