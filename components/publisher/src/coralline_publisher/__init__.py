"""Champion against challenger, the model card and the report."""
