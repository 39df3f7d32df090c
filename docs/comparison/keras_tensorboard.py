"""A classifier with Keras and a Hub module, its training shown by TensorBoard.

python docs/comparison/keras_tensorboard.py IMAGES MODULE OUT
tensorboard --logdir OUT/logs
"""

import sys

import tensorflow_hub as hub
import tf_keras as keras  # Hub's layer is one of Keras 2

images, module, out = sys.argv[1:]


def read(split, shuffle=False):
    """Batches of pictures and labels of one split."""
    return keras.utils.image_dataset_from_directory(
        f"{images}/{split}", image_size=(256, 256), batch_size=64, shuffle=shuffle, seed=0
    )


train, held_out, test = read("train", shuffle=True), read("eval"), read("test")
model = keras.Sequential(
    [
        keras.layers.Rescaling(1 / 255, input_shape=(256, 256, 3)),
        hub.KerasLayer(module, trainable=False),
        keras.layers.Dense(len(train.class_names)),
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(3e-3),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(
    train.prefetch(2),
    validation_data=held_out.prefetch(2),
    epochs=5,
    callbacks=[keras.callbacks.TensorBoard(f"{out}/logs")],
)
model.evaluate(test)
model.save(f"{out}/model")
