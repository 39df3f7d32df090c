"""What must be known to delete a picture: which models saw it, what still holds it, what to do."""

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import markupsafe

from components.files import exists, names, reading
from components.image_example_gen.sources import MANIFESTS
from pipeline.lineage import GOOD_NODES, Run
from pipeline.places import Places
from pipeline.sightings import Sighting, out_of_reach, relatives, source_of
from pipeline.standing import Standing, last_registry
from pipeline.tracing import Model, Trace

LEARNT = {"train": "trained on it", "eval": "watched on it in training"}
"""How a picture went into a model's weights, by its split."""
_TITLE = 100  # characters of a path that a report shows in any case


def seen_by(trace: Trace, found: Sequence[Sighting]) -> list[dict[str, Any]]:
    """Returns the models that a picture went into, in the order in which they were first trained.

    Args:
      trace: of all runs.
      found: where the picture stands.

    Returns:
      {"content_hash", "saw": [words], "learnt": whether its weights have something of it,
      "run_ids", "artifacts": [{"path", "there"}]}.
    """
    splits = {one.dataset.examples.id: one.splits for one in found}
    seen = []
    for model in trace.models.values():
        own = _splits(trace, model, splits)
        saw = [word for split, word in LEARNT.items() if split in own]
        for earlier in trace.ancestors(model):
            saw += [
                f"began from {earlier.content_hash}, which was {word}"
                for split, word in LEARNT.items()
                if split in _splits(trace, earlier, splits)
            ]
        learnt = bool(saw)
        if "test" in own:
            saw.append("tested on it")
        if any("test" in splits.get(id, ()) for id in trace.compared_on(model)):
            saw.append("compared on it with a later one")
        if saw:
            uris = [training.artifact.uri for training in model.trainings]
            seen.append(
                {
                    "content_hash": model.content_hash,
                    "saw": saw,
                    "learnt": learnt,
                    "run_ids": [run.id for run, _ in trace.uses(model)],
                    "artifacts": [{"path": uri, "there": exists(uri)} for uri in uris],
                }
            )
    return seen


def held_by(trace: Trace, places: Places, found: Sequence[Sighting]) -> list[dict[str, str]]:
    """Returns the files and folders that still hold a picture, or something made of its pixels.

    Args:
      trace, found: see `seen_by`.
      places: where the runs lie.

    Returns:
      {"path", "what"}, each path once.
    """
    held: dict[str, str] = {}
    for sighting in found:
        for run in trace.runs:
            for path, what in _held_by_run(run, sighting, places):
                held.setdefault(path, what)
    return [{"path": path, "what": what} for path, what in held.items() if exists(path)]


def to_do(
    trace: Trace,
    places: Places,
    standing: Standing,
    found: Sequence[Sighting],
    seen: Sequence[dict[str, Any]],
    held: Sequence[dict[str, str]],
) -> list[str]:
    """Returns what remains to be done until nothing has a picture any more, in the order to do it.

    Args:
      trace, places, found: see `held_by`.
      standing: where models stand.
      seen, held: what the functions above gave.
    """
    here = f"--runs {places.runs} --name {places.name}"
    where = "--kubeflow CONFIG" if places.server else here
    steps = []
    files = {
        file: one.dataset.source
        for one in found
        for picture in one.pictures
        if (file := source_of(one.dataset, picture))
    }
    for file, source in files.items():
        row = f", and its row in {source}" if source.lower().endswith(MANIFESTS) else ""
        steps.append(f"delete the source file {file}{row}")
    for source in dict.fromkeys(one.dataset.source for one in found if out_of_reach(one.dataset)):
        steps.append(
            f"look for the source file in {source}: that is relative to the folder where the runs "
            "were started, so ask again there"
        )
    if others := relatives(found):
        steps.append(
            f"decide on {_count(len(others), 'other picture')} of its group, near-copies or more "
            "of the same thing: --json lists them, and --image asks about each"
        )
    newest = trace.newest_dataset
    learnt = [one["content_hash"] for one in seen if one["learnt"]]
    if any(one.dataset is newest for one in found):
        warm = learnt and trace.runs[-1].config["train"].get("warm_start")
        anew = " with train.warm_start=false (else it begins from one that has learnt it)"
        steps.append(f"run again{anew if warm else ''}, so that the next model is without it")
    own = last_registry(trace.runs, places)
    for content_hash in learnt:
        steps += _to_withdraw(standing, content_hash, own, where)
    freed = f"{places.artifacts}/"
    if any(one["path"].startswith(freed) for one in held) or any(
        artifact["there"] for one in seen if one["learnt"] for artifact in one["artifacts"]
    ):
        steps.append(f"free what older runs hold: graft clean --keep 1 {where}")
    for one in held:
        if not one["path"].startswith(freed):
            steps.append(f"delete {one['path']}: {one['what']}")
    return steps


def _to_withdraw(
    standing: Standing, content_hash: str, own: dict[str, str] | None, where: str
) -> Iterator[str]:
    """`own`: the registry on which `graft registry` acts."""
    for one in standing.registered.get(content_hash, []):
        if one["there"] is not False:
            aliases = " and ".join(one["aliases"])
            moved = f"once another version is {aliases}, " if aliases else ""
            step = f"{moved}delete version {one['version']} of {one['name']}"
            if own and own.items() <= one.items():
                # By content: a number names another model in another registry.
                yield f"{step}: graft registry delete {content_hash} {where}"
            else:
                yield (
                    f"{step} in {one['registry']} at {one['address']}, with its own tools: graft "
                    "registry acts on that of the last run"
                )
    for one in standing.served.get(content_hash, []):
        if one["there"] is not False:
            later = "once a later version is served, " if one["newest"] else ""
            yield f"{later}delete the served version {one['path']}"


def _splits(trace: Trace, model: Model, splits: dict[int, set[str]]) -> set[str]:
    """In which splits a model had the picture itself."""
    of_each = (splits.get(one.examples.id, set()) for one in trace.datasets_of(model))
    return set().union(*of_each)


def _held_by_run(run: Run, sighting: Sighting, places: Places) -> Iterator[tuple[str, str]]:
    """Where a run put the bytes of a picture, or what it made of them, there still or not."""
    examples = sighting.dataset.examples
    if run not in sighting.dataset.runs:
        return
    yield examples.uri, "its bytes, among the Examples"
    transform, features = run.node("ImageTransform"), run.node("FeatureExtractor")
    transformed = transform.output("transformed_examples")
    preprocessing = transform.output("preprocessing")
    ids = {picture.id for picture in sighting.pictures}
    if "train" in sighting.splits and transformed and transform.state in GOOD_NODES:
        yield transformed.uri, "the smaller picture that training reads"
    drawn = (preprocessing.json("contact_sheet.json") or []) if preprocessing else []
    if preprocessing and any(one["id"] in ids for one in drawn):
        yield preprocessing.path("contact_sheet.png"), "the contact sheet shows it"
    vectors = features.output("features")
    if sighting.splits & {"train", "eval"} and vectors and features.state in GOOD_NODES:
        yield vectors.uri, "its feature vectors"
    said = run.node("Evaluator").output("predictions")
    if "test" in sighting.splits and said:
        yield said.uri, "what a model said of it, without pixels"
    if sighting.splits & {"train", "eval"} and run.node("Trainer").state == "failed":
        for name in names(places.checkpoints):
            if not name.startswith("."):
                yield str(places.checkpoints / name), "a training that has not ended, perhaps on it"
    folder = places.report(run.id)
    for name in names(folder):
        if name.split("-")[0] in ids:
            yield os.path.join(folder, name), "a view of it that was drawn again"
    page = folder / "index.html"
    if any(one["id"] in ids for one in drawn) or _shows(page, sighting):
        yield str(page), "a report with a small copy of it"
    for page in sorted(folder.parent.glob(f"compare-*{glob.escape(run.id)}*.html")):
        if _shows(page, sighting):
            yield str(page), "a comparison of runs with a small copy of it"


def _shows(page: Path, sighting: Sighting) -> bool:
    """Whether a page shows a picture: its path is then the title of something."""
    if not exists(page):
        return False
    with reading(page) as file:
        html = file.read().decode(errors="replace")
    paths = (str(markupsafe.escape(picture.path[:_TITLE])) for picture in sighting.pictures)
    return any(f'title="{path}' in html for path in paths)


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
