"""coralline: the project file, the pipeline, the ways to run it, and the command."""
