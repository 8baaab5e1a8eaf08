"""The native engine: one C-family kernel source per model and method, for CPUs and NVIDIA GPUs."""

from odec.backends.native.kernel import kernel_job
from odec.backends.native.support import refusal

__all__ = ["kernel_job", "refusal"]
