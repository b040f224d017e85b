"""Flows: horizontal velocities at the solar surface from two images of it."""
