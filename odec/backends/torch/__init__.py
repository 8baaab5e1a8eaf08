"""The torch engine: plain tensor code on any device; the reference for every other engine."""

from odec.backends.torch.module import module_job

__all__ = ["module_job"]
