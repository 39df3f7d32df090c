"""`graft predict`: which model it asks, and what it says where there is none."""

from commands_run import record, refusal


def test_predict_without_runs_says_how_to_get_one(graft, images):
    assert "make run-local" in refusal(graft, "predict", str(images / "ripe" / "0.png"))


def test_predict_looks_where_the_last_run_pushes_to(graft, images, tmp_path):
    record(tmp_path / "runs", "bananas", destination=str(tmp_path / "elsewhere"))
    message = refusal(graft, "predict", str(images / "ripe" / "0.png"))
    assert f"{tmp_path / 'elsewhere'}: holds no pushed model" in message


def test_a_model_that_was_pushed_by_other_hands_and_names_no_classes_is_named(
    graft, images, tmp_path
):
    import tensorflow as tf

    record(tmp_path / "runs", "bananas")
    served = tmp_path / "runs" / "bananas" / "serving" / "7"
    tf.saved_model.save(tf.train.Checkpoint(), str(served))
    message = refusal(graft, "predict", str(images / "ripe" / "0.png"))
    assert f"{served}: has no signature serving_examples" in message
