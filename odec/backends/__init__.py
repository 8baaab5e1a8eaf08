"""Backends: from programs to the text of modules and kernels."""

ENGINES = ("torch", "native")
"""The engines a module can be written for; "native" holds both."""
