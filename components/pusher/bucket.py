"""A destination in a bucket, gs://BUCKET/PATH, which knows no lock and moves one object at a time.

    <destination>/7/...              a version; its .pushed.json and saved_model.pb came last
    <destination>/.claims/8.<token>  who writes number 8, and since when; the highest one stays
    <destination>/.pushing-8.<token> what is uploaded for it; swept where that was killed
    <destination>/.withdrawn/<hash>  a content that was rolled back from

Nobody sees a model before its `saved_model.pb` is there, so that comes last and goes first. All
rests on two promises of Cloud Storage (https://cloud.google.com/storage/docs/consistency): an
object appears whole or not at all, and whoever reads or lists after a write or a deletion has ended
sees it done. What is said of the functions in push.py holds here; they raise OSError where the
bucket does.
"""

import contextlib
import random
import time
import uuid
from collections.abc import Collection
from typing import Any

from components.content import content_hash as hash_of
from components.files import (
    exists,
    move,
    names,
    on_disk,
    read_json,
    remove,
    size,
    upload,
    write_json,
)
from components.pusher.versions import MODEL_FILE, RECORD, Version, Withdrawn, record_of, too_old

CLAIMS, STAGED, WITHDRAWN = ".claims", ".pushing-", ".withdrawn"
PAUSE_SECONDS = 1.0
"""At most, before another number is claimed: two that were in step shall not stay so."""
DEAD_SECONDS = 24 * 3600.0
"""A pusher that has not come to an end by then was killed: no upload takes that long."""


def push(
    model: str,
    destination: str,
    content_hash: str,
    keep: int,
    aliased: Collection[str] | None,
    unless_withdrawn: bool,
) -> str:
    """See push.py."""
    version = _present(destination, content_hash)
    if version is None:
        version = _publish(model, destination, content_hash, unless_withdrawn)
    if not unless_withdrawn:
        _delete(_mark(destination, content_hash))
    _sweep(destination)
    for number in too_old(_pushed(destination), keep, aliased):
        _remove(f"{destination}/{number}")
    return f"{destination}/{version}"


def newest(destination: str) -> Version | None:
    """See push.py."""
    for number in sorted(_numbers(destination), reverse=True):
        version = f"{destination}/{number}"
        record = _read(f"{version}/{RECORD}")
        if _is_whole(version, record):
            return Version(number, version, record.get("content_hash") or hash_of(version))
    return None


def count(destination: str) -> int:
    """How many versions there are that were pushed from here."""
    return len(_pushed(destination))


def withdraw(destination: str, content_hash: str, aim: str) -> None:
    """See push.py."""
    if rolled_back_to(destination, content_hash) != aim:
        said = {"since": time.time(), "rolled_back_to": aim}
        write_json(f"{destination}/{WITHDRAWN}", content_hash, said)


def rolled_back_to(destination: str, content_hash: str) -> str | None:
    """See push.py."""
    mark = _mark(destination, content_hash)
    return _read(mark).get("rolled_back_to", "") if exists(mark) else None


def _present(destination: str, content_hash: str) -> int | None:
    """The number of the newest version if it is whole, holds this content and is what is served."""
    found = newest(destination)
    if found and found.content_hash == content_hash:
        higher = (n for n in _numbers(destination) if n > found.version)
        if not any(exists(f"{destination}/{n}/{MODEL_FILE}") for n in higher):
            return found.version
    return None


def _mark(destination: str, content_hash: str) -> str:
    return f"{destination}/{WITHDRAWN}/{content_hash}"


def _publish(model: str, destination: str, content_hash: str, unless_withdrawn: bool) -> int:
    with on_disk(model) as source:
        record = record_of(source, content_hash, model)
        number, claim = _claim(destination, content_hash)
        staged, version = f"{destination}/{STAGED}{claim}", f"{destination}/{number}"
        for name in record["files"]:
            upload(source / name, f"{staged}/{name}")
    write_json(staged, RECORD, record)
    if unless_withdrawn and exists(_mark(destination, content_hash)):  # while it was uploaded
        _delete(staged)
        raise Withdrawn(destination)
    # TensorFlow Serving takes any numbered folder for a version, and a half one keeps it busy. The
    # bucket itself moves an object, so that this takes moments, and the upload minutes.
    for name in (*(record["files"].keys() - {MODEL_FILE}), RECORD, MODEL_FILE):
        move(f"{staged}/{name}", f"{version}/{name}")
    _delete(staged)
    return number


def _claim(destination: str, content_hash: str) -> tuple[int, str]:
    """A number that nobody had or will have, higher than all of them; and the name of the claim.

    Of two that claim one number, whoever looks later sees the other's claim, and so do both where
    they look at once. A claim that was given up burns its number, as a killed pusher's does.
    """
    token = uuid.uuid4().hex
    while True:
        number = max([0, *_numbers(destination), *_claims(destination).values()]) + 1
        mine = f"{number}.{token}"
        said = {"content_hash": content_hash, "since": time.time()}
        write_json(f"{destination}/{CLAIMS}", mine, said)
        others = [n for claim, n in _claims(destination).items() if claim != mine]
        if all(n < number for n in (*others, *_numbers(destination))):
            return number, mine
        time.sleep(random.uniform(0, PAUSE_SECONDS))


def _sweep(destination: str) -> None:
    """Removes what killed pushers left behind, and claims that tell nothing more."""
    # In this order: who writes a version has claimed it before.
    numbers, claims = _numbers(destination), _claims(destination)
    top = max(claims.values(), default=0)
    for claim, number in claims.items():
        version, said = f"{destination}/{number}", _read(f"{destination}/{CLAIMS}/{claim}")
        whole = exists(f"{version}/{MODEL_FILE}")
        dead = time.time() - said.get("since", time.time()) > DEAD_SECONDS
        if dead or whole:
            _delete(f"{destination}/{STAGED}{claim}")  # first: without it, nobody goes on moving
        if dead and not whole:
            _remove(version)
        if (dead or whole) and number < top:  # the highest keeps its number from being given again
            _delete(f"{destination}/{CLAIMS}/{claim}")
    for number in numbers - set(claims.values()):
        version = f"{destination}/{number}"
        # Nobody writes it, so it was being removed.
        if exists(f"{version}/{RECORD}") and not exists(f"{version}/{MODEL_FILE}"):
            _remove(version)


def _remove(version: str) -> None:
    """Removes a version so that another call goes on where this one was killed."""
    _delete(f"{version}/{MODEL_FILE}")
    for name in _read(f"{version}/{RECORD}").get("files", {}):
        _delete(f"{version}/{name}")
    _delete(version)


def _delete(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):  # another pusher may be the quicker one
        remove(path)


def _numbers(destination: str) -> set[int]:
    return {int(name) for name in names(destination) if name.isdecimal()}


def _claims(destination: str) -> dict[str, int]:
    """The numbers that were claimed, by the names of the claims."""
    found = names(f"{destination}/{CLAIMS}")
    return {name: int(name.partition(".")[0]) for name in found if name[0].isdecimal()}


def _pushed(destination: str) -> dict[int, str]:
    """The content hashes of what was pushed from here and is served, by number."""
    found = {}
    for number in _numbers(destination):
        version = f"{destination}/{number}"
        record = _read(f"{version}/{RECORD}")
        if record and exists(f"{version}/{MODEL_FILE}"):
            found[number] = record["content_hash"]
    return found


def _is_whole(version: str, record: dict[str, Any]) -> bool:
    files = record.get("files", {})
    try:
        return exists(f"{version}/{MODEL_FILE}") and all(
            size(f"{version}/{name}") == length for name, length in files.items()
        )
    except FileNotFoundError:  # removed while it was looked at
        return False


def _read(path: str) -> dict[str, Any]:
    try:
        return read_json(path)
    except FileNotFoundError:
        return {}
