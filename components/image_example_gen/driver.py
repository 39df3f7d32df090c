"""Decides, before the node runs, which span to read and whether its content has changed."""

import copy
import hashlib
import json
import os

import tensorflow as tf
from ml_metadata.proto import metadata_store_pb2
from tfx.components.example_gen import utils
from tfx.dsl.components.base import base_driver
from tfx.orchestration import metadata
from tfx.orchestration.portable import base_driver as portable_base_driver
from tfx.orchestration.portable import data_types
from tfx.proto.orchestration import driver_output_pb2

from components.errors import DataError
from components.image_example_gen.history import FILE
from components.image_example_gen.remote import remote_states
from components.image_example_gen.sources import resolve_spans, spans_fingerprint


class Driver(base_driver.BaseDriver, portable_base_driver.BaseDriver):
    """Adds `span` (the newest), `window` (JSON, [span, version] of each that is read),
    `fingerprint` and `history` to the execution's properties, which so take part in the cache's
    key; and `span`, `version` and `fingerprint` to the outputs `examples` and `facts`.

    TFX's component class wants the first base, its launcher the second.
    """

    def __init__(self, metadata_handle: metadata.Metadata):
        base_driver.BaseDriver.__init__(self, metadata_handle)
        portable_base_driver.BaseDriver.__init__(self, metadata_handle)

    def run(self, execution_info: data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Resolves the source as it is now."""
        settings = execution_info.exec_properties
        try:
            resolved = resolve_spans(settings["source"], settings["spans"])
            fingerprint = spans_fingerprint(resolved, remote_states)
            _, span, version = resolved[-1]
        except DataError as e:
            # The executor meets the same error: raised there, TFX records the node as failed;
            # raised here, its execution would be left as running for ever.
            resolved, span, version = [], 0, None
            fingerprint = "unreadable:" + hashlib.sha256(str(e).encode()).hexdigest()

        output = driver_output_pb2.DriverOutput()
        output.exec_properties["span"].int_value = span
        window = json.dumps([[one.span, one.version] for one in resolved])
        output.exec_properties["window"].string_value = window
        output.exec_properties["fingerprint"].string_value = fingerprint
        output.exec_properties["history"].string_value = self._history(execution_info, fingerprint)
        for key in ("examples", "facts"):
            artifact = copy.deepcopy(execution_info.output_dict[key][0].mlmd_artifact)
            # As properties for resolvers over spans, as custom properties as ExampleGens do.
            artifact.properties["span"].int_value = span
            artifact.custom_properties["span"].int_value = span
            if version is not None:
                artifact.properties["version"].int_value = version
                artifact.custom_properties["version"].int_value = version
            artifact.custom_properties["fingerprint"].string_value = fingerprint
            artifact.custom_properties[utils.FINGERPRINT_PROPERTY_NAME].string_value = fingerprint
            artifact.custom_properties["grouping"].string_value = _grouping(execution_info)
            output.output_artifacts[key].artifacts.append(artifact)
        return output

    def _history(self, execution_info: data_types.ExecutionInfo, fingerprint: str) -> str:
        """The newest facts of this node over other data, grouped by the same rules; or "".

        Over other data: so that the same data, run again, have the same history and are cached.
        """
        node = next(
            context.name.field_value.string_value
            for context in execution_info.pipeline_node.contexts.contexts
            if context.type.name == "node"
        )
        with self._metadata_handle as handle:
            context = handle.store.get_context_by_type_and_name("node", node)
            artifacts = handle.store.get_artifacts_by_context(context.id) if context else []
        found = [
            artifact
            for artifact in artifacts
            if artifact.state == metadata_store_pb2.Artifact.LIVE
            and os.path.basename(os.path.dirname(artifact.uri)) == "facts"
            and artifact.custom_properties["grouping"].string_value == _grouping(execution_info)
            and artifact.custom_properties["fingerprint"].string_value != fingerprint
            and tf.io.gfile.exists(os.path.join(artifact.uri, FILE))
        ]
        return max(found, key=lambda artifact: artifact.id).uri if found else ""


def _grouping(execution_info: data_types.ExecutionInfo) -> str:
    """The rules by which groups are made."""
    settings = execution_info.exec_properties
    return f"{settings['group_by']} {settings['near_copies']}"
