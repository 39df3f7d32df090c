"""`graft lineage`: what a model was made from, and which models saw a picture."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from components.errors import ConfigError
from pipeline.options import (
    json_option,
    name_option,
    places_of,
    print_json,
    runs_option,
    set_option,
)

if TYPE_CHECKING:
    from pipeline.places import Places
    from pipeline.standing import Standing
    from pipeline.tracing import Dataset, Trace

_SHOWN = 8


@click.command()
@click.argument("model", required=False)
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="PATH",
    help="A picture: a file, the path under which the data knew it, or its id; may be repeated.",
)
@runs_option
@name_option
@click.option(
    "--kubeflow",
    "config",
    type=click.Path(),
    metavar="CONFIG",
    help="Ask that configuration's runs on Kubeflow, from a pod that has volume and secret.",
)
@set_option
@json_option
def lineage(
    model: str | None,
    images: tuple[str, ...],
    runs: str,
    name: str | None,
    config: str | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say what a model was made from, or which models saw a picture.

    MODEL is a version or an alias in the registry, the folder of a served version, a content hash
    or its beginning, a run id, or "last".
    """
    if bool(model) == bool(images):
        raise ConfigError("graft lineage: give a model, or pictures with --image PATH; one of both")
    from pipeline.config_file import load_config
    from pipeline.lineage import read_runs
    from pipeline.places import Places
    from pipeline.standing import read_standing
    from pipeline.stores import open_store
    from pipeline.tracing import Trace

    if config:
        places = Places.on_kubeflow(load_config(config, overrides))
    else:
        places = places_of(runs, name)
    trace = Trace(read_runs(open_store(places.metadata), places.name))
    standing = read_standing(trace.runs, places)
    if model:
        answer = _about_model(trace, standing, places, model)
        _say_model(places, answer) if not as_json else print_json(answer)
        return
    answers = [_about_image(trace, standing, places, image) for image in images]
    searched = _searched(trace, places)
    if as_json:
        print_json({"images": answers, "searched": searched, "notes": standing.notes})
        return
    for one in answers:
        _say_image(one)
    _say_searched(searched, standing.notes)


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
        **described(trace, model),
        **verdict,
        "pushed": standing.served.get(model.content_hash, []),
        "registered": standing.registered.get(model.content_hash, []),
        "notes": standing.notes,
    }


def _about_image(
    trace: "Trace", standing: "Standing", places: "Places", word: str
) -> dict[str, Any]:
    from pipeline.sightings import content_of, known_as, refused, remembered, sightings

    datasets = list(trace.datasets.values())
    file = Path(word).expanduser()
    content = content_of(file) if file.exists() else None
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
        earlier = remembered(datasets, content, word)
        answer["remembered_by"] = [_which(dataset) for dataset in earlier]
    return answer


def _about_picture(
    trace: "Trace", standing: "Standing", places: "Places", content: str, found: list[Any]
) -> dict[str, Any]:
    from pipeline.deletion import held_by, seen_by, to_do

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


def _say_model(places: "Places", answer: dict[str, Any]) -> None:
    click.secho(f"model {answer['content_hash']}", bold=True, nl=False)
    click.echo(f"  of {places.name}" + _as(answer))
    data, code, module = answer["data"], answer["code"], answer["module"]
    if data:
        _row("data", [f"{data['source']}{_span(data)}", _counts(data["counts"])])
        rules = data["split_rules"]["hash"]
        _row("", [f"fingerprint {data['fingerprint'][:16]}, split rules {rules}"])
    _row("module", [f"{module['handle']}  {module['hash']}"])
    _row("config", [f"{answer['config']['hash']}; --json has its sections"])
    commit, _, changes = (code["git_commit"] or "").partition("+")
    changed = " with changes" if changes else ""
    of = f"commit {commit[:12]}{changed}" if commit else "commit unknown"
    _row("code", [of, ", ".join(f"{name} {v}" for name, v in code["versions"].items())])
    begun = [
        f"{one['content_hash']}  run {one['run_id']}{_span(one['data'])}"
        for one in answer["began_from"]
    ]
    _row("began from", begun or ["the module"])
    _row("compared", [answer["compared_with"] or "with nothing: there was no blessed model"])
    verdict = {True: "yes", False: "no", None: "never judged"}[answer["blessed"]]
    _row("blessed", [verdict, *answer["blessing_reasons"]])
    _row("pushed", [_served(one) for one in answer["pushed"]] or ["no"])
    _row("registered", [_version(one) for one in answer["registered"]] or ["no"])
    _row("runs", [f"{one['run_id']}  {_grouped(one['did'])}" for one in answer["runs"]])
    _notes(answer["notes"])


def _as(answer: dict[str, Any]) -> str:
    asked = answer["asked"]
    return "" if answer["content_hash"].startswith(asked) else f", asked for as {asked}"


def _say_image(answer: dict[str, Any]) -> None:
    if not answer["pictures"]:
        click.secho(answer["image"], bold=True, nl=False)
        click.echo("  no data set holds it, so no model has seen it")
        for content in answer["namesakes"]:
            _row("", [f"another picture stood under that path: ask for {content}"])
        if gone := answer["remembered_by"]:
            _row(
                "but", [f"an earlier data set had it, of which nothing is left: {len(gone)} later"]
            )
    for picture in answer["pictures"]:
        click.secho(answer["image"], bold=True, nl=False)
        click.echo(f"  content {picture['content']}")
        _row("stands in", _lines(picture["datasets"]))
        models = [line for one in picture["models"] for line in _model_lines(one)]
        _row("seen by", models or ["no model: no training on it has ended"])
        _row("held by", [f"{one['path']}  {one['what']}" for one in picture["held_by"]])
        steps = picture["to_do"]
        _row("to do", [f"{number}. {step}" for number, step in enumerate(steps, 1)] or ["nothing"])
    for one in answer["rejected"]:
        _row("rejected", [f"by run {one['run_ids'][0]}{_span(one)}: {one['reason']}"])


def _lines(datasets: Sequence[dict[str, Any]]) -> Iterable[str]:
    for one in datasets:
        others = len(one["others_of_group"])
        group = f"; {others} more in its group" if others else ""
        runs = f"run {one['run_ids'][0]}"
        if len(one["run_ids"]) > 1:
            runs += f" and {len(one['run_ids']) - 1} more"
        yield (
            f"{', '.join(one['splits'])}  {', '.join(one['labels'])}  "
            f"{', '.join(one['paths'])}{_span(one)}, {runs}{group}"
        )


def _model_lines(one: dict[str, Any]) -> Iterable[str]:
    yield f"{one['content_hash']}  {'; '.join(one['saw'])}"
    for stands in one["registered"]:
        yield f"  {_version(stands)}"
    for stands in one["served"]:
        yield f"  {_served(stands)}"
    for artifact in one["artifacts"]:
        if artifact["there"]:
            yield f"  {artifact['path']}"


def _say_searched(searched: dict[str, Any], notes: Sequence[str]) -> None:
    click.echo(
        f"searched {searched['pictures']:,} pictures in {searched['datasets']:,} data sets of "
        f"{searched['runs']:,} runs in {searched['place']}"
    )
    unknown = [
        f"run {one['run_ids'][0]}{_span(one)}: nobody knows any more which pictures it read"
        for one in searched["unknown"]
    ]
    _notes([*unknown, *notes])


def _notes(notes: Iterable[str]) -> None:
    for note in notes:
        click.secho("note: ", fg="yellow", nl=False)
        click.echo(note)


def _row(name: str, lines: Iterable[str]) -> None:
    for number, line in enumerate(lines):
        click.echo(f"  {name if number == 0 else '':<11} {line}")


def _span(data: dict[str, Any] | None) -> str:
    if not data or data["span"] is None:
        return ""
    version = f" version {data['version']}" if data["version"] is not None else ""
    return f", span {data['span']}{version}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{split} {count:,}" for split, count in counts.items())


def _served(one: dict[str, Any]) -> str:
    state = "served now" if one["newest"] else "there" if one["there"] else "gone"
    return f"{one['path']}  {state}"


def _version(one: dict[str, Any]) -> str:
    state = {True: ", ".join(one["aliases"]), False: "gone", None: "not asked"}[one["there"]]
    return f"{one['name']} version {one['version']} ({one['registry']})  {state}".rstrip()


def _grouped(did: Sequence[str]) -> str:
    """What a run did; what it took from the cache in one word at the end."""
    suffix = ", from the cache"
    ran = [word for word in did if not word.endswith(suffix)]
    cached = [word.removesuffix(suffix) for word in did if word.endswith(suffix)]
    return "; ".join(
        [
            *([", ".join(ran)] if ran else []),
            *([f"from the cache: {', '.join(cached)}"] if cached else []),
        ]
    )
