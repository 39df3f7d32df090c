"""A Kubeflow Model Registry for tests: real HTTP, real state, and no call off the contract.

Every request and every answer is held to `model_registry_contract`. A request off it is answered
with 400 and noted in `offences`. What the contract leaves open is what the server's source does:
names are looked up by SQL's LIKE, `externalId` is unique among models and versions together, a
version's name within its model, an artifact's within its version; properties are replaced as a
whole where any are given, and nothing is ever deleted.
"""

import json
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import model_registry_contract as contract
from http_api import Answer, HttpApi


class ModelRegistryApi(HttpApi):
    """The server; see HttpApi.

    Tests set `api_versions` (those that it knows), `page_limit` (the longest page), `ignores_case`
    (as MySQL compares), `prefix` (the path below which a gateway shows it). They read `models`,
    `versions` and `artifacts`, each a list of messages, oldest first.
    """

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.api_versions: tuple[str, ...] = ("v1alpha3", "v1")
        self.page_limit, self.ignores_case, self.prefix = 1000, False, ""
        self.models: list[dict] = []
        self.versions: list[dict] = []
        self.artifacts: list[dict] = []
        self._of_version: dict[str, str] = {}  # artifact -> version
        self._ids = 0
        self.before: dict[str, Callable[[], None]] = {}  # what happens just before a call, once

    # What follows runs in the server's threads.

    def _answer(self, method: str, url: str, headers: Any, body: bytes) -> tuple[int, bytes, bool]:
        parts = urlsplit(url)
        match = re.fullmatch(rf"{self.prefix}/api/model_registry/(\w+)/(.+)", parts.path)
        if not match or match[1] not in self.api_versions:
            return 404, b"404 page not found\n", True
        version, path = match[1], re.sub(r"(?<=/)\d+(?=/|$)", "ID", match[2])
        call, ids = f"{method} {path}", re.findall(r"(?<=/)\d+(?=/|$)", match[2])
        self.calls.append(call)
        if call in self.before:
            self.lock.release()  # whoever else comes now is served first
            try:
                self.before.pop(call)()
            finally:
                self.lock.acquire()
        how = self._failure(call)
        if how == "drop":
            return 0, b"", False
        if how == "html":
            return 200, b"<!doctype html><title>Log in</title>", True
        try:
            if isinstance(how, int):
                raise Answer(how, f"told to fail with {how}")
            if self.token and headers["Authorization"] != f"Bearer {self.token}":
                raise Answer(401, "Unauthorized")
            status, answer = self._checked(method, path, ids, parts.query, body, version)
            return status, json.dumps(answer).encode(), how != "lost"
        except Answer as e:
            if e.status == 400:
                self.offences.append(f"{call}: {e}")
            return e.status, json.dumps({"code": "", "message": str(e)}).encode(), True

    def _checked(
        self, method: str, path: str, ids: list[str], query: str, body: bytes, version: str
    ) -> tuple[int, dict]:
        if (method, path) not in contract.CALLS:
            raise Answer(400, "the contract has no such call")
        parameters, message, gives, status = contract.CALLS[method, path]
        try:
            asked: dict[str, str] = {}
            for key, value in parse_qsl(query, keep_blank_values=True):
                if key not in parameters or key in asked:
                    raise ValueError(f"takes no parameter {key}, or not twice")
                contract.check(parameters[key], value, key, version)
                asked[key] = value
            given = (
                contract.read(message, json.loads(body or b"null"), version) if message else None
            )
            if not message and body:
                raise ValueError("takes no body")
        except ValueError as e:
            raise Answer(400, str(e)) from None
        handler = getattr(
            self, f"_{method.lower()}_{path.replace('/ID', '_one').replace('/', '_')}"
        )
        answer = handler(*ids, asked, *([given] if message else []))
        check = contract.check_list if gives.startswith("list of ") else contract.read
        try:
            check(gives.removeprefix("list of "), answer, version)
        except ValueError as e:
            raise Answer(400, f"this server of tests answers off the contract: {e}") from None
        return status, answer

    def _get_registered_model(self, asked: dict) -> dict:
        return self._find(self.models, asked)

    def _get_registered_models(self, asked: dict) -> dict:
        return self._page(self.models, asked)

    def _post_registered_models(self, asked: dict, given: dict) -> dict:
        self._unique(given, self.models)
        return self._new(self.models, given)

    def _get_registered_models_one(self, id: str, asked: dict) -> dict:
        return _one(self.models, id)

    def _patch_registered_models_one(self, id: str, asked: dict, given: dict) -> dict:
        return self._update(_one(self.models, id), given)

    def _get_registered_models_one_versions(self, id: str, asked: dict) -> dict:
        _one(self.models, id)
        return self._page([v for v in self.versions if v["registeredModelId"] == id], asked)

    def _get_model_version(self, asked: dict) -> dict:
        parent = asked.get("parentResourceId")
        if not asked.get("externalId") and not (asked.get("name") and parent):
            raise Answer(400, "supply either (name and parentResourceId), or externalId")
        of_it = [v for v in self.versions if parent in (None, v["registeredModelId"])]
        return self._find(of_it, asked)

    def _post_model_versions(self, asked: dict, given: dict) -> dict:
        model = _one(self.models, given["registeredModelId"])["id"]
        self._unique(given, [v for v in self.versions if v["registeredModelId"] == model])
        return self._new(self.versions, given)

    def _patch_model_versions_one(self, id: str, asked: dict, given: dict) -> dict:
        return self._update(_one(self.versions, id), given)

    def _get_model_versions_one_artifacts(self, id: str, asked: dict) -> dict:
        return self._page(self._artifacts_of(id), asked)

    def _post_model_versions_one_artifacts(self, id: str, asked: dict, given: dict) -> dict:
        if "id" in given:
            return self._update(_one(self.artifacts, given["id"]), given)
        if any(held["name"] == given.get("name") for held in self._artifacts_of(id)):
            raise Answer(409, f"model artifact with name {given['name']} already exists")
        made = self._new(self.artifacts, {"state": "UNKNOWN", "name": str(self._ids), **given})
        self._of_version[made["id"]] = id
        return made

    def _patch_model_artifacts_one(self, id: str, asked: dict, given: dict) -> dict:
        return self._update(_one(self.artifacts, id), given)

    def _artifacts_of(self, version: str) -> list[dict]:
        _one(self.versions, version)
        return [held for held in self.artifacts if self._of_version[held["id"]] == version]

    def _find(self, things: list[dict], asked: dict) -> dict:
        if "name" in asked:
            wild = {"_": ".", "%": ".*"}
            like = "".join(wild.get(c, re.escape(c)) for c in asked["name"])
            flags = re.IGNORECASE if self.ignores_case else re.NOFLAG
            found = [thing for thing in things if re.fullmatch(like, thing["name"], flags)]
        else:
            found = [t for t in things if t.get("externalId") == asked.get("externalId")]
        if len(found) != 1:
            raise Answer(404, f"{'multiple' if found else 'none'} found")
        return found[0]

    def _page(self, things: list[dict], asked: dict) -> dict:
        last, size = int(asked.get("nextPageToken") or 0), int(asked.get("pageSize") or 0)
        rest = [thing for thing in things if int(thing["id"]) > last]
        page = rest[: min(size or self.page_limit, self.page_limit)]
        token = page[-1]["id"] if len(page) < len(rest) else ""
        return {"items": page, "nextPageToken": token, "pageSize": size, "size": len(page)}

    def _unique(self, given: dict, beside: list[dict]) -> None:
        same = str.lower if self.ignores_case else str
        if any(same(held["name"]) == same(given["name"]) for held in beside):
            raise Answer(409, f"one with name {given['name']} already exists")
        identity = given.get("externalId")
        if identity and any(x.get("externalId") == identity for x in self.models + self.versions):
            raise Answer(409, f"one with name {given['name']} already exists")

    def _new(self, things: list[dict], given: dict) -> dict:
        self._ids += 1
        now = str(int(time.time() * 1000))
        made = {"createTimeSinceEpoch": now, "lastUpdateTimeSinceEpoch": now, "state": "LIVE"}
        things.append({"customProperties": {}, **made, **given, "id": str(self._ids)})
        return things[-1]

    def _update(self, held: dict, given: dict) -> dict:
        held.update(given, lastUpdateTimeSinceEpoch=str(int(time.time() * 1000)))
        return held


def _one(things: list[dict], id: str) -> dict:
    for thing in things:
        if thing["id"] == id:
            return thing
    raise Answer(404, f"nothing found for id {id}")
