"""The model, its training, and the signatures that it is served and evaluated by."""

import tensorflow as tf
import tensorflow_hub as hub
import tensorflow_transform as tft
import tf_keras as keras  # Hub's layer is one of Keras 2
from tfx_bsl.public import tfxio

BATCH_SIZE, EPOCHS, LEARNING_RATE = 64, 5, 3e-3


def run_fn(fn_args):
    """Trains the head on the frozen module; the Trainer calls it."""
    transform = tft.TFTransformOutput(fn_args.transform_output)

    def read(files):
        return fn_args.data_accessor.tf_dataset_factory(
            files,
            tfxio.TensorFlowDatasetOptions(batch_size=BATCH_SIZE, label_key="label_xf"),
            transform.transformed_metadata.schema,
        ).repeat()

    model = keras.Sequential(
        [
            keras.layers.InputLayer((256, 256, 3), name="pixels"),
            hub.KerasLayer(fn_args.custom_config["module"], trainable=False),
            keras.layers.Dense(2),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATE),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(
        read(fn_args.train_files),
        epochs=EPOCHS,
        steps_per_epoch=fn_args.train_steps // EPOCHS,
        validation_data=read(fn_args.eval_files),
        validation_steps=fn_args.eval_steps,
        callbacks=[keras.callbacks.TensorBoard(fn_args.model_run_dir)],
    )

    model.transform_layer = transform.transform_features_layer()
    examples = tf.TensorSpec([None], tf.string, "examples")

    @tf.function(input_signature=[examples])
    def serve(serialized):
        spec = transform.raw_feature_spec()
        spec.pop("label")
        features = model.transform_layer(tf.io.parse_example(serialized, spec))
        return {"outputs": model(features["pixels"])}

    @tf.function(input_signature=[examples])
    def transform_features(serialized):
        return model.transform_layer(tf.io.parse_example(serialized, transform.raw_feature_spec()))

    signatures = {"serving_default": serve, "transform_features": transform_features}
    model.save(fn_args.serving_model_dir, save_format="tf", signatures=signatures)
