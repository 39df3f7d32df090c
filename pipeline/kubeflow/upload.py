"""The compiled pipeline on the cluster: one pipeline a configuration, one version a content."""

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.kubeflow.cluster import Cluster, Refusal, hushed
from pipeline.kubeflow.listing import listed

if TYPE_CHECKING:
    from pipeline.kubeflow.compile import Compiled


@dataclass(frozen=True)
class Version:
    """A pipeline version on the cluster; its name is its content's hash."""

    pipeline_id: str
    id: str
    name: str


def upload(cluster: Cluster, compiled: "Compiled") -> Version:
    """Makes sure that the cluster has the pipeline in this version; what is there is reused.

    Raises:
      ClusterError: the cluster cannot be reached, or refuses it.
    """
    client, name = cluster.client, compiled.config.name
    content = hashlib.sha256(compiled.yaml.encode()).hexdigest()[:12]

    def pipeline() -> Any:
        found = listed(client.list_pipelines, "pipelines", name, namespace=cluster.namespace)
        return next(found, None)

    def new_pipeline() -> Any:
        body = client.api_models.V2beta1Pipeline(display_name=name, namespace=cluster.namespace)
        # Empty: to upload a pipeline makes a first version of it, named like the pipeline.
        return client.pipelines.pipeline_service_create_pipeline(body)

    pipeline_id = _found_or_made(pipeline, new_pipeline).pipeline_id

    def version() -> Any:
        found = listed(
            client.list_pipeline_versions, "pipeline_versions", content, pipeline_id=pipeline_id
        )
        return next(found, None)

    def new_version() -> Any:
        with tempfile.TemporaryDirectory() as folder, hushed():
            path = Path(folder) / "pipeline.yaml"
            path.write_text(compiled.yaml, encoding="utf-8")
            return client.upload_pipeline_version(str(path), content, pipeline_id=pipeline_id)

    version_id = _found_or_made(version, new_version).pipeline_version_id
    return Version(pipeline_id, version_id, content)


def experiment(cluster: Cluster, name: str) -> str:
    """The id of the experiment of that name, which is made where there is none.

    Raises:
      ClusterError: the cluster cannot be reached, or refuses it.
    """
    client = cluster.client

    def there() -> Any:
        found = listed(client.list_experiments, "experiments", name, namespace=cluster.namespace)
        return next(found, None)

    def new() -> Any:
        body = client.api_models.V2beta1Experiment(display_name=name, namespace=cluster.namespace)
        return client.experiments.experiment_service_create_experiment(body)

    return _found_or_made(there, new).experiment_id


def _found_or_made(find: Callable[[], Any], make: Callable[[], Any]) -> Any:
    found = find()
    if found is not None:
        return found
    try:
        return make()
    except Refusal as e:
        # Another command may have made it since we looked.
        found = find() if e.status == 409 else None
        if found is None:
            raise
        return found
