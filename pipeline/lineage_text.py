"""What `graft lineage` prints where nobody asked for JSON: short aligned lines."""

from collections.abc import Iterable, Sequence
from typing import Any

import click

from pipeline.shown import echo, harmless


def say_model(answer: dict[str, Any]) -> None:
    """Prints where a model comes from and what came of it."""
    click.secho(f"model {answer['content_hash']}", bold=True, nl=False)
    echo(f"  of {answer['name']}{_as(answer)}")
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


def say_image(answer: dict[str, Any], whole: bool) -> None:
    """Prints where a picture stands, who saw it, what holds it, and what to do to delete it.

    Args:
      answer: what `--json` would give.
      whole: whether all data sets could be searched.
    """
    if not answer["pictures"]:
        click.secho(harmless(answer["image"]), bold=True, nl=False)
        echo(f"  {_unseen(answer, whole)}")
        for one in answer["near"] or []:
            _row("near-copy", [f"{one['path']}: ask for {one['content']}"])
        for content in answer["namesakes"]:
            _row("", [f"another picture stood under such a path: ask for {content}"])
        if answer["remembered_by"]:
            runs = ", ".join(one["run_ids"][0] for one in answer["remembered_by"])
            _row("but", [f"data that are gone had it, as those of run {runs} still know"])
    for picture in answer["pictures"]:
        click.secho(harmless(answer["image"]), bold=True, nl=False)
        echo(f"  content {picture['content']}")
        _row("stands in", _lines(picture["datasets"]))
        models = [line for one in picture["models"] for line in _model_lines(one)]
        _row("seen by", models or ["no model: no training on it has ended"])
        _row("held by", [f"{one['path']}  {one['what']}" for one in picture["held_by"]])
        steps = picture["to_do"]
        _row("to do", [f"{number}. {step}" for number, step in enumerate(steps, 1)] or ["nothing"])
    for one in answer["rejected"]:
        _row("rejected", [f"by run {one['run_ids'][0]}{_span(one)}: {one['reason']}"])


def _unseen(answer: dict[str, Any], whole: bool) -> str:
    """What may be said of a picture that no data set holds: not more than was looked for."""
    if answer["near"]:
        return "no data set holds these bytes, but near-copies of them: the same picture saved anew"
    if answer["remembered_by"] or not whole:
        return "no data set that is left holds it; who saw it before, nobody can know"
    if not answer["content"]:
        return "no data set knows such a path or id; a file that is there is known by its bytes"
    if answer["near"] is None:
        return "no data set holds these bytes; whether one holds a near-copy, nobody can know"
    return "no data set holds these bytes, or a near-copy of them"


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


def say_searched(searched: dict[str, Any], notes: Sequence[str]) -> None:
    """Prints what was looked through, and what nobody can know."""
    echo(
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
        echo(note)


def _row(name: str, lines: Iterable[str]) -> None:
    for number, line in enumerate(lines):
        echo(f"  {name if number == 0 else '':<11} {line}")


def _span(data: dict[str, Any] | None) -> str:
    if not data or data["span"] is None:
        return ""
    version = f" version {data['version']}" if data["version"] is not None else ""
    return f", span {data['span']}{version}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{split} {count:,}" for split, count in counts.items())


def _served(one: dict[str, Any]) -> str:
    there = {True: "there", False: "gone", None: "not read"}[one["there"]]
    state = "served now" if one["newest"] else there
    return f"{one['path']}  {state}"


def _version(one: dict[str, Any]) -> str:
    state = {True: ", ".join(one["aliases"]), False: "gone", None: "not asked"}[one["there"]]
    return f"{one['name']} version {one['version']} ({one['registry']})  {state}".rstrip()


def _grouped(did: Sequence[str]) -> str:
    """What a run did; what it took from the cache in one word at the end."""
    suffix = ", from the cache"
    ran = [word for word in did if not word.endswith(suffix)]
    cached = [word.removesuffix(suffix) for word in did if word.endswith(suffix)]
    parts = (", ".join(ran), f"from the cache: {', '.join(cached)}" if cached else "")
    return "; ".join(filter(None, parts))
