"""What `graft lineage` answers about a task that `lineage_records` wrote."""

import json

from click.testing import CliRunner

from pipeline.cli import main


def ask(task, *words, succeeds=True):
    """The answer of `graft lineage`, as JSON; what it says where it refuses."""
    command = ["lineage", *words, "--runs", str(task.places.runs), "--json"]
    result = CliRunner().invoke(main, command)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == (0 if succeeds else 2), result.output
    return json.loads(result.output) if succeeds else result.output


def about(task, image):
    """What is said of the one picture that an image stands for."""
    (answer,) = ask(task, "--image", str(image))["images"]
    (picture,) = answer["pictures"]
    return picture


def saw(picture):
    """What each model had to do with a picture, by its content hash."""
    return {model["content_hash"]: model["saw"] for model in picture["models"]}
