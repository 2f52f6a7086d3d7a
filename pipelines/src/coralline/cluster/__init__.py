"""The same pipeline on Kubernetes: as plain Jobs, or by Kubeflow Pipelines."""
