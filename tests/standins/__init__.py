"""Packages that take the place of libraries which cannot run here; this folder is put on an agent's PYTHONPATH."""
