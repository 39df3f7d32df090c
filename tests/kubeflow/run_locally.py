"""Runs a compiled pipeline whole by Kubeflow's own local runner: FILE ARGUMENTS FOLDER."""

import json
import sys

if __name__ == "__main__":
    from kfp import components, local

    file, arguments, folder = sys.argv[1:]
    local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=folder)
    components.load_component_from_file(file)(**json.loads(arguments))
