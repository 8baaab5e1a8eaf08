"""What a column's header means: a name, a unit in brackets, a derivative with its prime."""

from __future__ import annotations

import re
from collections.abc import Sequence

from odec.system import unprimed

_BRACKETED = re.compile(r"(?P<name>[^\s(\[]+)\s*[(\[](?P<unit>[^)\]]*)[)\]]")
_DASHED = re.compile(r"(?P<name>time|t)[_ ](?P<unit>\w+)", re.IGNORECASE)
_SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("wk", "week", "weeks"), 604800.0),
    **dict.fromkeys(("yr", "year", "years"), 31557600.0),
}


def column_name(header: str, known: Sequence[str]) -> str:
    """The known name that a header stands for: `x (g/L)` is x, `theta'` is dtheta_dt; else the header."""
    found = _BRACKETED.fullmatch(header)
    for name in (header, found["name"] if found else header):
        for candidate in (name, unprimed(name)):
            if candidate in known:
                return candidate
    return header


def time_header(header: str, names: Sequence[str]) -> tuple[bool, str]:
    """Whether a header is that of the time, one of `names` in any case, and the unit that it gives."""
    plain = {name.casefold() for name in names}
    if header.casefold() in plain:
        return True, ""
    for form in (_BRACKETED, _DASHED):
        found = form.fullmatch(header)
        if found and found["name"].casefold() in plain and (form is _BRACKETED or found["unit"] in _SECONDS):
            return True, found["unit"].strip()
    return False, ""


def unit_of_time(header: str) -> str:
    """The unit in the header of a column that is the time by its place: `Elapsed (min)`, `clock_h`."""
    found = _BRACKETED.fullmatch(header)
    unit = found["unit"].strip() if found else re.split(r"[_ ]", header)[-1]
    return unit if unit in _SECONDS and unit != header else ""


def unit_note(header: str, unit: str, of_the_model: str | None) -> list[str]:
    """A remark where the data's time is in another unit than the model's."""
    if not unit or not of_the_model or unit == of_the_model:
        return []
    data, model = _SECONDS.get(unit), _SECONDS.get(of_the_model)
    if data == model and data is not None:
        return []
    factor = f": multiply them by {data / model:.6g}" if data and model else ""
    return [f"the column {header!r} is in {unit} and the model's time in {of_the_model}{factor}"]
