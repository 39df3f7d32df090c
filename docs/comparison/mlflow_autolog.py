"""The same classifier, its training logged by MLflow's autolog.

python docs/comparison/mlflow_autolog.py IMAGES MODULE OUT
mlflow server --backend-store-uri sqlite:///OUT/mlflow.db
"""

import os
import sys

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # Hub's layer is one of Keras 2
import mlflow
import tensorflow as tf
import tensorflow_hub as hub

images, module, out = sys.argv[1:]
mlflow.set_tracking_uri(f"sqlite:///{out}/mlflow.db")
mlflow.set_experiment("solar_cells")
mlflow.tensorflow.autolog(registered_model_name="solar_cells")


def read(split, shuffle=False):
    """Batches of pictures and labels of one split."""
    return tf.keras.utils.image_dataset_from_directory(
        f"{images}/{split}", image_size=(256, 256), batch_size=64, shuffle=shuffle, seed=0
    )


train, held_out, test = read("train", shuffle=True), read("eval"), read("test")
model = tf.keras.Sequential(
    [
        tf.keras.layers.Rescaling(1 / 255, input_shape=(256, 256, 3)),
        hub.KerasLayer(module, trainable=False),
        tf.keras.layers.Dense(len(train.class_names)),
    ]
)
model.compile(
    optimizer=tf.keras.optimizers.Adam(3e-3),
    loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
with mlflow.start_run():
    model.fit(train.prefetch(2), validation_data=held_out.prefetch(2), epochs=5)
    loss, accuracy = model.evaluate(test)
    mlflow.log_metrics({"test_loss": loss, "test_accuracy": accuracy})
