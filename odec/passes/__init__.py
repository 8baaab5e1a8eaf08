"""System -> Programs: lowering, ordering, guards, derivatives."""

from odec.passes.derive import derive
from odec.passes.sympy_input import from_sympy

__all__ = ["derive", "from_sympy"]
