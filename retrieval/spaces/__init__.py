"""Spaces: created, filled, indexed, measured, and replaced by those of another model."""
