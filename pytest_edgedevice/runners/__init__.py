"""The host's side of running a model."""
