"""placeholder"""

from odec.diagnostics import Source


def format_source(source: Source) -> str:
    return source.text
