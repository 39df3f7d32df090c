"""The learning rate over a phase."""

import math

import tensorflow as tf
import tf_keras

WARM_UP = 0.1
"""Share of a phase's steps in which the rate climbs."""


class WarmUpCosine(tf_keras.optimizers.schedules.LearningRateSchedule):
    """A linear climb over the first tenth of the steps, then half a cosine down to zero.

    The climb keeps Adam's first steps, whose second moments rest on one batch, from throwing a
    trained backbone away. Source: Goyal et al. 2017 (warm-up), Loshchilov & Hutter 2017 (cosine).
    """

    def __init__(self, peak: float, steps: int):
        """Args:
        peak: the highest rate, reached after the climb.
        steps: of the phase, at least 1.
        """
        self.peak, self.steps = peak, steps
        self.climb = max(1, round(WARM_UP * steps))

    def __call__(self, step: tf.Tensor | int) -> tf.Tensor:
        """The rate of a step, counted from 0; zero once the phase is over."""
        step = tf.cast(step, tf.float32)
        up = (step + 1) / self.climb
        down = (step + 1 - self.climb) / (self.steps - self.climb + 1)
        down = 0.5 * (1 + tf.cos(math.pi * tf.clip_by_value(down, 0.0, 1.0)))
        return self.peak * tf.minimum(up, down)

    def get_config(self) -> dict:
        """The constructor's arguments, as Keras wants."""
        return {"peak": self.peak, "steps": self.steps}
