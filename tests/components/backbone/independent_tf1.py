"""Writes a small module in the TF1 Hub format, sharing no code with what is tested.

`python independent_tf1.py FOLDER`: a convolution with batch norm on images of 32 x 32 pixels, as
a module of TF1's time has it: update ops and regularization losses stand in the collections.
"""

import sys

import tensorflow as tf

v1 = tf.compat.v1
DECAY, EPSILON, L2 = 0.8, 1e-3, 0.01


def module(training):
    """The graph of one tag set; returns its signature."""
    images = v1.placeholder(tf.float32, [None, 32, 32, 3], "images")
    with v1.variable_scope("small", use_resource=True):
        kernel = v1.get_variable("weights", [3, 3, 3, 8])
        gamma = v1.get_variable("gamma", [8], initializer=v1.ones_initializer())
        beta = v1.get_variable("beta", [8], initializer=v1.zeros_initializer())
        zeros, ones = v1.zeros_initializer(), v1.ones_initializer()
        mean = v1.get_variable("moving_mean", [8], initializer=zeros, trainable=False)
        variance = v1.get_variable("moving_variance", [8], initializer=ones, trainable=False)
    v1.add_to_collection(v1.GraphKeys.REGULARIZATION_LOSSES, L2 * v1.nn.l2_loss(kernel))
    x = v1.nn.conv2d(images, kernel, strides=[1, 2, 2, 1], padding="SAME")
    if training:
        x, batch_mean, batch_variance = v1.nn.fused_batch_norm(x, gamma, beta, epsilon=EPSILON)
        for average, value in ((mean, batch_mean), (variance, batch_variance)):
            update = v1.assign_sub(average, (average - value) * (1 - DECAY))
            v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, update)
    else:
        x = v1.nn.batch_normalization(x, mean, variance, beta, gamma, EPSILON)
    x = v1.nn.relu(x)
    info = v1.saved_model.build_tensor_info
    return v1.saved_model.build_signature_def(
        {"images": info(images)},
        {"small/conv": info(x), "default": info(v1.reduce_mean(x, axis=[1, 2]))},
        "image_feature_vector",
    )


def main(folder):
    builder = v1.saved_model.Builder(folder)
    for tags in ([], ["train"]):
        with v1.Graph().as_default(), v1.Session() as session:
            v1.set_random_seed(7)
            signatures = dict.fromkeys(("default", "image_feature_vector"), module(bool(tags)))
            session.run(v1.global_variables_initializer())
            if tags:
                builder.add_meta_graph(tags, signatures)
            else:
                builder.add_meta_graph_and_variables(session, tags, signatures)
    builder.save()
    with open(f"{folder}/tfhub_module.pb", "wb") as file:
        file.write(bytes([8, 3]))


if __name__ == "__main__":
    main(sys.argv[1])
