"""Runs the pipeline on this machine.

python docs/comparison/tfx_template/local_runner.py RECORDS MODULE OUT
"""

import os
import sys

from absl import logging
from tfx import v1 as tfx

from pipeline import create_pipeline

NAME = "solar_cells"

if __name__ == "__main__":
    logging.set_verbosity(logging.INFO)
    records, module, out = map(os.path.abspath, sys.argv[1:])
    metadata = tfx.orchestration.metadata.sqlite_metadata_connection_config(
        os.path.join(out, "tfx_metadata", NAME, "metadata.db")
    )
    tfx.orchestration.LocalDagRunner().run(
        create_pipeline(
            name=NAME,
            root=os.path.join(out, "tfx_pipeline_output", NAME),
            records=records,
            module=module,
            serving=os.path.join(out, "serving_model", NAME),
            metadata=metadata,
        )
    )
