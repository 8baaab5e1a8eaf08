"""Reading a model's text: encoding, size and the characters that no model holds."""

from __future__ import annotations

import codecs
import os
import re
from pathlib import Path

from odec.diagnostics import Diagnostic, ModelError, Source, Span

MAX_FILE_BYTES = 4 * 1024 * 1024
MAX_LINE_CHARACTERS = 200_000

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_source(path: str | os.PathLike[str]) -> Source:
    """The text of a model file, UTF-8 with or without a byte order mark, line ends made `\\n`.

    Raises ModelError (E109 to E113) for a file that cannot be read as a model's text.
    """
    name = os.fspath(path)
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"cannot read '{name}': {reason[:1].lower()}{reason[1:]}"
        raise ModelError([Diagnostic("E113", message, Source(name, ""))]) from None
    return decode(name, data)


def decode(name: str, data: bytes) -> Source:
    """The source in these bytes; raises ModelError as `read_source` does."""
    if len(data) > MAX_FILE_BYTES:
        raise ModelError([_too_large(Source(name, ""))])
    if data.startswith(_UTF16):
        note = "the file is UTF-16: save it as UTF-8"
        raise ModelError([Diagnostic("E109", "the file is not UTF-8", Source(name, ""), notes=(note,))])
    if data.startswith(codecs.BOM_UTF8):
        data = data[len(codecs.BOM_UTF8) :]
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelError([_not_utf8(name, data, error)]) from None
    source = text_source(name, text)
    problems = check_source(source)
    if problems:
        raise ModelError(problems)
    return source


def text_source(name: str, text: str) -> Source:
    """The source of a text whose line ends are made `\\n`."""
    return Source(name, text.replace("\r\n", "\n").replace("\r", "\n"))


def check_source(source: Source) -> list[Diagnostic]:
    """What keeps a text from being looked at all: its size, an overlong line, a NUL, half a character."""
    if len(source.text) > MAX_FILE_BYTES:
        return [_too_large(source)]
    offset = source.text.find("\0")
    if offset >= 0:
        note = "a model is plain text: is this a binary file?"
        at = Span(offset, offset + 1)
        return [Diagnostic("E110", "the file holds a NUL byte", source, at, "", (note,))]
    half = re.search("[\ud800-\udfff]", source.text)
    if half:
        at = Span(half.start(), half.end())
        note = "a surrogate without its other half, which no file can hold: was the text decoded wrongly?"
        return [Diagnostic("E110", "the text holds half of a character", source, at, "", (note,))]
    start = 0
    while start < len(source.text):
        end = source.text.find("\n", start)
        end = len(source.text) if end < 0 else end
        if end - start > MAX_LINE_CHARACTERS:
            return [_long_line(source, start, end)]
        start = end + 1
    return []


def _too_large(source: Source) -> Diagnostic:
    limit = MAX_FILE_BYTES // (1024 * 1024)
    note = "is it a model? data belong in a file of their own"
    return Diagnostic("E112", f"the file is larger than {limit} MB", source, notes=(note,))


def _long_line(source: Source, start: int, end: int) -> Diagnostic:
    message = f"a line of {end - start} characters; at most {MAX_LINE_CHARACTERS} can be read"
    note = "put the sum in brackets and break it: a statement goes on to the next line inside open brackets"
    return Diagnostic("E111", message, source, Span(start, start + 1), "", (note,))


def _not_utf8(name: str, data: bytes, error: UnicodeDecodeError) -> Diagnostic:
    before = data[: error.start].decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    text = before + data[error.start :].decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    at = Span(len(before), len(before) + 1)
    byte = f"0x{data[error.start]:02x}"
    note = f"save the file as UTF-8 (byte {byte} would be '{chr(data[error.start])}' in Latin-1)"
    notes = (note,) if data[error.start] >= 0xA0 else ("save the file as UTF-8",)
    return Diagnostic("E109", "the file is not UTF-8", Source(name, text), at, f"byte {byte}", notes)
