"""A Kubeflow Pipelines API server for tests: real HTTP, real state, and no call off the contract.

Every call is held to `contract`. What is off it is answered with 400 and noted in `offences`, which
the fixture `api` (conftest.py) wants empty at the end of a test.
"""

import base64
import datetime
import email
import email.policy
import json
import re
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import kubeflow_contract as contract
import yaml
from croniter import croniter
from http_api import Answer, HttpApi

CODES = {400: 3, 401: 16, 403: 7, 404: 5, 409: 6, 500: 13, 503: 14}
"""gRPC's code for an HTTP status, which stands in the answer's body."""

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


class KubeflowApi(HttpApi):
    """The server; see HttpApi.

    Tests set `multi_user`, `token` (what a caller must bear), `page_limit` (the longest page) and
    `prefix` (the path below which a gateway would show it). They read the things themselves:
    experiments, pipelines, versions, runs, recurring_runs, each a list of messages, oldest first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.multi_user, self.page_limit, self.prefix = False, 200, ""
        self.experiments: list[dict] = []
        self.pipelines: list[dict] = []
        self.versions: list[dict] = []
        self.runs: list[dict] = []
        self.recurring_runs: list[dict] = []
        self._states: list[tuple[str, dict[str, str], str | None]] = [("SUCCEEDED", {}, None)]
        self._clock = 0

    def run_goes(self, *states: str | tuple[str, dict[str, str], str | None]) -> None:
        """What one look at a run after the other finds: a state, or (state, tasks, error)."""
        self._states = [(s, {}, None) if isinstance(s, str) else s for s in states]

    # What follows runs in the server's threads.

    def _answer(self, method: str, url: str, headers: Any, body: bytes) -> tuple[int, bytes, bool]:
        """Returns: status, body, and whether it reaches the caller."""
        parts = urlsplit(url)
        if not parts.path.startswith(f"{self.prefix}/apis/v2beta1/"):
            return 404, b"404 page not found", True
        path, call, ids = _call(method, parts.path.removeprefix(f"{self.prefix}/apis/v2beta1/"))
        self.calls.append(call)
        how = self._failure(call)
        if how == "drop":
            return 0, b"", False
        if how == "html":
            return 200, b"<!doctype html><title>Log in</title>", True
        if how == "blind":
            return 200, b"{}", True
        try:
            if isinstance(how, int):
                raise Answer(how, f"told to fail with {how}")
            if self.token and headers["Authorization"] != f"Bearer {self.token}":
                raise Answer(401, "Request header error: there is no user identity header.")
            answer = self._checked(call, path, ids, parts.query, headers, body)
            return 200, json.dumps(answer).encode(), how != "lost"
        except Answer as e:
            if e.status == 400:
                self.offences.append(f"{call}: {e}")
            said = {"code": CODES.get(e.status, 2), "message": str(e), "details": []}
            if "upload" in call:
                said = {"error_message": str(e), "error_details": str(e)}
            return e.status, json.dumps(said).encode(), True

    def _checked(
        self, call: str, path: str, ids: list[str], query: str, headers: Any, body: bytes
    ) -> dict:
        method = call.partition(" ")[0]
        if (method, path) not in contract.CALLS:
            raise Answer(400, "the contract has no such call")
        parameters, message = contract.CALLS[method, path]
        try:
            asked: dict[str, Any] = {}
            for key, value in parse_qsl(query, keep_blank_values=True):
                if key not in parameters or key in asked:
                    raise ValueError(f"takes no parameter {key}, or not twice")
                if parameters[key] == "Filter":
                    asked[key] = contract.read("Filter", json.loads(value)) if value else {}
                else:
                    asked[key] = contract.value_of(parameters[key], value, key)
            given: Any = None
            if message == "file":
                given = _file(headers, body)
            elif message:
                given = contract.read(message, json.loads(body or b"null"))
                for name in contract.REQUIRED[message]:
                    if not any(given.get(one) for one in name.split("|")):
                        raise ValueError(f"{message}.{name}: is required")
            elif body and json.loads(body) is not None:
                raise ValueError("takes no body")
        except ValueError as e:
            raise Answer(400, str(e)) from None
        handler: Callable = getattr(self, "_" + _HANDLERS[method, path])
        return handler(*ids, asked, *([given] if message else []))

    def _healthz(self, asked: dict) -> dict:
        return {"multi_user": self.multi_user, "tag_name": "2.17.0", "commit_sha": "unknown"}

    def _list_experiments(self, asked: dict) -> dict:
        return self._page("experiments", self._of_namespace(self.experiments, asked), asked)

    def _create_experiment(self, asked: dict, given: dict) -> dict:
        return self._new("experiment", self.experiments, given, unique=("namespace",))

    def _list_pipelines(self, asked: dict) -> dict:
        return self._page("pipelines", self._of_namespace(self.pipelines, asked), asked)

    def _create_pipeline(self, asked: dict, given: dict) -> dict:
        given.setdefault("display_name", given.get("name"))
        return self._new("pipeline", self.pipelines, given, unique=("namespace",))

    def _list_versions(self, pipeline: str, asked: dict) -> dict:
        self._get(self.pipelines, "pipeline_id", pipeline)
        of_it = [v for v in self.versions if v["pipeline_id"] == pipeline]
        return self._page("pipeline_versions", of_it, asked)

    def _upload_version(self, asked: dict, given: dict) -> dict:
        pipeline = asked.get("pipelineid") or ""
        if not any(p["pipeline_id"] == pipeline for p in self.pipelines):
            raise Answer(400, "Failed to create a pipeline version")
        name = asked.get("display_name") or asked.get("name") or given["name"]
        fields = {"display_name": name, "pipeline_id": pipeline, "pipeline_spec": given["spec"]}
        return self._new("pipeline_version", self.versions, fields, unique=("pipeline_id",))

    def _create_run(self, asked: dict, given: dict) -> dict:
        self._has_source(given)
        return self._new("run", self.runs, {**given, "state": "PENDING", "looks": 0})

    def _get_run(self, run: str, asked: dict) -> dict:
        found = self._get(self.runs, "run_id", run)
        state, tasks, error = self._states[min(found["looks"], len(self._states) - 1)]
        found["looks"] += 1
        details = [
            {"run_id": run, "task_id": str(i), "display_name": name, "state": task}
            for i, (name, task) in enumerate(tasks.items())
        ]
        answer = {**found, "state": state, "run_details": {"task_details": details}}
        answer.pop("looks")
        return {**answer, "error": {"code": 13, "message": error}} if error else answer

    def _list_recurring_runs(self, asked: dict) -> dict:
        return self._page("recurringRuns", self._of_namespace(self.recurring_runs, asked), asked)

    def _create_recurring_run(self, asked: dict, given: dict) -> dict:
        self._has_source(given)
        if not 1 <= given["max_concurrency"] <= 10:
            raise Answer(400, "Max concurrency must be at least 1 and at most 10")
        cron = given["trigger"].get("cron_schedule", {}).get("cron")
        if cron and (
            len(cron.split()) != 6 or not croniter.is_valid(cron, second_at_beginning=True)
        ):
            # The server's own library takes five fields, and reads them wrongly.
            raise Answer(400, f"cron {cron!r} would be misread")
        experiment = self._get(self.experiments, "experiment_id", given.get("experiment_id", ""))
        fields = {
            "service_account": "pipeline-runner",
            **given,
            "namespace": experiment.get("namespace") or "kubeflow",
            "max_concurrency": str(given["max_concurrency"]),
            "status": "ENABLED" if given["mode"] == "ENABLE" else "DISABLED",
        }
        if not given.get("no_catchup"):
            fields.pop("no_catchup", None)  # What is false is not written.
        return self._new("recurring_run", self.recurring_runs, fields)

    def _get_recurring_run(self, run: str, asked: dict) -> dict:
        return self._get(self.recurring_runs, "recurring_run_id", run)

    def _delete_recurring_run(self, run: str, asked: dict) -> dict:
        self.recurring_runs.remove(self._get(self.recurring_runs, "recurring_run_id", run))
        return {}

    def _enable(self, run: str, asked: dict) -> dict:
        found = self._get(self.recurring_runs, "recurring_run_id", run)
        found.update(status="ENABLED", mode="ENABLE")
        return {}

    def _disable(self, run: str, asked: dict) -> dict:
        found = self._get(self.recurring_runs, "recurring_run_id", run)
        found.update(status="DISABLED", mode="DISABLE")
        return {}

    def _has_source(self, given: dict) -> None:
        """A run needs an experiment, and parameters that its pipeline version knows."""
        self._get(self.experiments, "experiment_id", given.get("experiment_id", ""))
        reference = given.get("pipeline_version_reference", {})
        version = self._get(
            self.versions, "pipeline_version_id", reference.get("pipeline_version_id", "")
        )
        if version["pipeline_id"] != reference.get("pipeline_id"):
            raise Answer(400, "the version is of another pipeline")
        root = version["pipeline_spec"]["root"]
        known = root.get("inputDefinitions", {}).get("parameters", {})
        for name in given.get("runtime_config", {}).get("parameters", {}):
            if name not in known:
                raise Answer(400, f"the pipeline has no parameter {name}")

    def _of_namespace(self, things: list[dict], asked: dict) -> list[dict]:
        wanted = asked.get("namespace") or ""
        if self.multi_user and not wanted and not asked.get("experiment_id"):
            raise Answer(400, "Namespace is empty in multi-user mode")
        of_it = things
        if self.multi_user:
            of_it = [thing for thing in things if thing.get("namespace", "") == wanted]
        if "experiment_id" in asked:
            of_it = [x for x in of_it if x["experiment_id"] == asked["experiment_id"]]
        return of_it

    def _page(self, field: str, things: list[dict], asked: dict) -> dict:
        for predicate in asked.get("filter", {}).get("predicates", ()):
            if predicate.get("operation") != "EQUALS" or predicate.get("key") != "display_name":
                raise Answer(400, "this server of tests knows display_name EQUALS alone")
            # As MySQL compares by default.
            name = predicate["string_value"].lower()
            things = [thing for thing in things if thing["display_name"].lower() == name]
        if asked.get("sort_by", "") not in ("", "created_at", "created_at asc"):
            raise Answer(400, "this server of tests sorts by created_at alone")
        criteria, first = [asked.get("filter", {}), asked.get("sort_by", "")], 0
        if asked.get("page_token"):
            try:
                first, of = json.loads(base64.b64decode(asked["page_token"]))
            except ValueError:
                raise Answer(400, "Invalid page token") from None
            if of != criteria:
                raise Answer(400, "page token does not match the criteria")
        end = first + min(asked.get("page_size") or 20, self.page_limit)
        answer: dict[str, Any] = {field: things[first:end]} if things[first:end] else {}
        if end < len(things):
            token = base64.b64encode(json.dumps([end, criteria]).encode()).decode()
            answer["next_page_token"] = token
        return {**answer, "total_size": len(things)} if things else answer

    def _new(
        self, kind: str, things: list[dict], given: dict, unique: tuple[str, ...] | None = None
    ) -> dict:
        if unique is not None:
            keys = ("display_name", *unique)
            if any(all(x.get(k, "") == given.get(k, "") for k in keys) for x in things):
                raise Answer(409, f"{kind} {given['display_name']} already exists")
        self._clock += 1
        created = (START + datetime.timedelta(seconds=self._clock)).isoformat()
        things.append({**given, f"{kind}_id": str(uuid.uuid4()), "created_at": created})
        return things[-1]

    def _get(self, things: list[dict], key: str, value: str) -> dict:
        for thing in things:
            if thing[key] == value:
                return thing
        raise Answer(404, f"{key} {value} not found")


_HANDLERS = {
    ("GET", "healthz"): "healthz",
    ("GET", "experiments"): "list_experiments",
    ("POST", "experiments"): "create_experiment",
    ("GET", "pipelines"): "list_pipelines",
    ("POST", "pipelines"): "create_pipeline",
    ("POST", "pipelines/upload_version"): "upload_version",
    ("GET", "pipelines/ID/versions"): "list_versions",
    ("POST", "runs"): "create_run",
    ("GET", "runs/ID"): "get_run",
    ("GET", "recurringruns"): "list_recurring_runs",
    ("POST", "recurringruns"): "create_recurring_run",
    ("GET", "recurringruns/ID"): "get_recurring_run",
    ("DELETE", "recurringruns/ID"): "delete_recurring_run",
    ("POST", "recurringruns/ID:enable"): "enable",
    ("POST", "recurringruns/ID:disable"): "disable",
}


def _call(method: str, below: str) -> tuple[str, str, list[str]]:
    """Returns: the path with ID for what is one, the method before it, and the ids."""
    ids = re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", below)
    pattern = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", below)
    return pattern, f"{method} {pattern}", ids


def _file(headers: Any, body: bytes) -> dict:
    """The uploaded pipeline of a form: its file's name, and the bare v2 spec."""
    kind = headers["Content-Type"] or ""
    if not kind.startswith("multipart/form-data"):
        raise ValueError("is no form with a file")
    form = email.message_from_bytes(
        f"Content-Type: {kind}\r\n\r\n".encode() + body, policy=email.policy.HTTP
    )
    names = [part.get_param("name", header="Content-Disposition") for part in form.iter_parts()]
    if names != ["uploadfile"]:
        raise ValueError(f"takes the one field uploadfile, and not {names}")
    (part,) = form.iter_parts()
    try:
        spec = next(yaml.safe_load_all(part.get_payload(decode=True)))
    except yaml.YAMLError as e:
        raise ValueError(f"the pipeline is no YAML: {e}") from None
    if not isinstance(spec, dict) or not {"pipelineInfo", "root", "schemaVersion"} <= set(spec):
        raise ValueError("the pipeline is no bare v2 spec")
    return {"name": part.get_filename(), "spec": spec}
