"""A run on Kubeflow Pipelines: compiled, submitted, scheduled, watched."""
