"""Decides, before the node runs, which span to read and whether its content has changed."""

import copy
import hashlib

from tfx.components.example_gen import utils
from tfx.dsl.components.base import base_driver
from tfx.orchestration import metadata
from tfx.orchestration.portable import base_driver as portable_base_driver
from tfx.orchestration.portable import data_types
from tfx.proto.orchestration import driver_output_pb2

from components.errors import DataError
from components.image_example_gen.remote import remote_states
from components.image_example_gen.sources import resolve_span, source_fingerprint


class Driver(base_driver.BaseDriver, portable_base_driver.BaseDriver):
    """Adds `span`, `version` (where there is one) and `fingerprint` to the execution's properties
    and to the outputs `examples` and `facts`, so they take part in the cache's key.

    TFX's component class wants the first base, its launcher the second.
    """

    def __init__(self, metadata_handle: metadata.Metadata):
        base_driver.BaseDriver.__init__(self, metadata_handle)
        portable_base_driver.BaseDriver.__init__(self, metadata_handle)

    def run(self, execution_info: data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Resolves the source as it is now."""
        source = execution_info.exec_properties["source"]
        try:
            resolved, span, version = resolve_span(source)
            fingerprint = source_fingerprint(resolved, remote_states)
        except DataError as e:
            # The executor meets the same error: raised there, TFX records the node as failed;
            # raised here, its execution would be left as running for ever.
            span, version = 0, None
            fingerprint = "unreadable:" + hashlib.sha256(str(e).encode()).hexdigest()

        output = driver_output_pb2.DriverOutput()
        output.exec_properties["span"].int_value = span
        output.exec_properties["fingerprint"].string_value = fingerprint
        if version is not None:
            output.exec_properties["version"].int_value = version
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
            output.output_artifacts[key].artifacts.append(artifact)
        return output
