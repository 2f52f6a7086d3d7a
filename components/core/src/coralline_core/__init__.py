"""What coralline's steps share: settings, errors, the store, datasets, progress."""
