"""`graft lineage`: what a model was made from, and which models saw a picture."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from components.errors import ConfigError
from pipeline.completion import complete_run
from pipeline.lineage_text import say_image, say_model, say_searched
from pipeline.options import json_option, places_asked, whose_runs
from pipeline.shown import print_json

if TYPE_CHECKING:
    from pipeline.places import Places
    from pipeline.standing import Standing
    from pipeline.tracing import Dataset, Trace


@click.command()
@click.argument("model", required=False, shell_complete=complete_run)
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="PATH",
    help="A picture: a file, the path under which the data knew it, or its id; may be repeated.",
)
@whose_runs
@json_option
def lineage(model: str | None, images: tuple[str, ...], as_json: bool, **task: Any) -> None:
    """Say what a model was made from, or which models saw a picture.

    MODEL is a version or an alias in the registry, the folder of a served version, a content hash
    or its beginning, a run id, or "last".
    """
    if bool(model) == bool(images):
        raise ConfigError("graft lineage: give a model, or pictures with --image PATH; one of both")
    from pipeline.lineage import read_runs
    from pipeline.standing import read_standing
    from pipeline.stores import open_store
    from pipeline.tracing import Trace

    places, _ = places_asked(**task)
    trace = Trace(read_runs(open_store(places.metadata), places.name))
    standing = read_standing(trace.runs, places)
    if model:
        answer = _about_model(trace, standing, places, model)
        print_json(answer) if as_json else say_model(answer)
        return
    answers = [_about_image(trace, standing, places, image) for image in images]
    searched = _searched(trace, places)
    if as_json:
        print_json({"images": answers, "searched": searched, "notes": standing.notes})
        return
    for one in answers:
        say_image(one, whole=not searched["unknown"])
    say_searched(searched, standing.notes)


def _about_model(
    trace: "Trace", standing: "Standing", places: "Places", word: str
) -> dict[str, Any]:
    from pipeline.standing import find_model
    from pipeline.summary import blessing
    from pipeline.tracing import described

    model = find_model(trace, standing, places, word)
    judged = trace.evaluation(model)
    verdict = blessing(judged) if judged else {"blessed": None, "blessing_reasons": []}
    return {
        "asked": word,
        "name": places.name,
        **described(trace, model),
        **verdict,
        "pushed": standing.served.get(model.content_hash, []),
        "registered": standing.registered.get(model.content_hash, []),
        "notes": standing.notes,
    }


def _about_image(
    trace: "Trace", standing: "Standing", places: "Places", word: str
) -> dict[str, Any]:
    from pipeline.near_copies import near_copies
    from pipeline.sightings import content_of, known_as, refused, remembered, sightings

    datasets = list(trace.datasets.values())
    file = os.path.expanduser(word)  # unlike Path's methods, takes any text for a name
    content = content_of(Path(file)) if os.path.exists(file) else None
    contents = [content] if content else known_as(datasets, word)
    pictures = [
        _about_picture(trace, standing, places, one, found)
        for one in contents
        if (found := sightings(datasets, one))
    ]
    answer: dict[str, Any] = {"image": word, "content": content, "pictures": pictures}
    rejected = refused(datasets, word)
    answer["rejected"] = [{"reason": reason, **_which(dataset)} for dataset, reason in rejected]
    if not pictures:
        # Said only here: of one that was seen, it would be beside the point.
        answer["namesakes"] = known_as(datasets, word) if content else []
        answer["near"] = near_copies(datasets, Path(file)) if content else []
        earlier = remembered(datasets, content, word)
        answer["remembered_by"] = [_which(dataset) for dataset in earlier]
    return answer


def _about_picture(
    trace: "Trace", standing: "Standing", places: "Places", content: str, found: list[Any]
) -> dict[str, Any]:
    from pipeline.deletion import held_by, seen_by, to_do
    from pipeline.sightings import relatives

    seen, held = seen_by(trace, found), held_by(trace, places, found)
    return {
        "content": content,
        "datasets": [
            {
                **_which(one.dataset),
                "splits": sorted(one.splits),
                "labels": sorted({picture.label for picture in one.pictures}),
                "paths": [picture.path for picture in one.pictures],
                "ids": [picture.id for picture in one.pictures],
                "group": one.pictures[0].group,
                "others_of_group": [picture._asdict() for picture in one.group],
            }
            for one in found
        ],
        "relatives": relatives(found),
        "models": [
            {
                **one,
                "registered": standing.registered.get(one["content_hash"], []),
                "served": standing.served.get(one["content_hash"], []),
            }
            for one in seen
        ],
        "held_by": held,
        "to_do": to_do(trace, places, standing, found, seen, held),
    }


def _which(dataset: "Dataset") -> dict[str, Any]:
    said = dataset.to_json()
    return {key: said[key] for key in ("source", "span", "version", "examples", "run_ids")}


def _searched(trace: "Trace", places: "Places") -> dict[str, Any]:
    """What was looked through, and what could not be."""
    datasets = list(trace.datasets.values())
    unknown = [dataset for dataset in datasets if dataset.contents is None]
    return {
        "place": str(places.home),
        "runs": len(trace.runs),
        "datasets": len(datasets) - len(unknown),
        "pictures": sum(len(one) for d in datasets for one in (d.contents or {}).values()),
        "unknown": [_which(dataset) for dataset in unknown],
    }
