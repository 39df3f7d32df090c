"""The learning rate over a phase."""

import math

import tensorflow as tf
import tf_keras


class WarmUp(tf_keras.optimizers.schedules.LearningRateSchedule):
    """A linear climb over the first steps; then half a cosine down to zero, or the peak.

    The climb keeps Adam's first steps, whose second moments rest on one batch, from throwing a
    trained backbone away. Source: Goyal et al. 2017 (warm-up), Loshchilov and Hutter 2017 (cosine).
    """

    def __init__(self, peak: float, steps: int, share: float = 0.1, schedule: str = "cosine"):
        """Args:
        peak: the highest rate, reached after the climb.
        steps: of the phase, at least 1.
        share: of the steps in which the rate climbs, in [0, 1).
        schedule: "cosine" or "constant".
        """
        self.peak, self.steps, self.share, self.schedule = peak, steps, share, schedule
        self.climb = max(1, round(share * steps))

    def __call__(self, step: tf.Tensor | int) -> tf.Tensor:
        """The rate of a step, counted from 0; by the cosine zero once the phase is over."""
        step = tf.cast(step, tf.float32)
        up = tf.minimum((step + 1) / self.climb, 1.0)
        if self.schedule == "constant":
            return self.peak * up
        down = (step + 1 - self.climb) / (self.steps - self.climb + 1)
        down = 0.5 * (1 + tf.cos(math.pi * tf.clip_by_value(down, 0.0, 1.0)))
        return self.peak * tf.minimum(up, down)

    def get_config(self) -> dict:
        """The constructor's arguments, as Keras wants."""
        return {
            "peak": self.peak,
            "steps": self.steps,
            "share": self.share,
            "schedule": self.schedule,
        }
