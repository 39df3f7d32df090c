"""The same pipeline on open-source Kubeflow Pipelines v2: compiled, submitted, scheduled."""
