"""A run as plain Kubernetes Jobs, one a step."""
