"""System -> Programs: lowering, ordering, guards, derivatives."""

from odec.passes.derive import derive

__all__ = ["derive"]
