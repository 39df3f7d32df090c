"""What Transform does to each picture, in training and in serving."""

import tensorflow as tf


def preprocessing_fn(inputs):
    """Decodes pictures and resizes them to 256×256, floats in [0, 1]."""

    def decode(image):
        pixels = tf.io.decode_image(image, channels=3, expand_animations=False)
        return tf.image.resize(tf.cast(pixels, tf.float32) / 255, (256, 256))

    encoded = tf.reshape(inputs["image"], [-1])
    pixels = tf.map_fn(decode, encoded, fn_output_signature=tf.float32)
    return {
        "pixels": tf.ensure_shape(pixels, (None, 256, 256, 3)),
        "label_xf": tf.reshape(inputs["label"], [-1, 1]),
    }
