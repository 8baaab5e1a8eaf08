"""The headers that kernels have in common: what they say of themselves, and that C compilers take them."""

import re

import pytest

from odec.backends.native.headers import FOLDER, expanded

HEADERS = sorted(FOLDER.rglob("*.h"))


@pytest.mark.parametrize("path", HEADERS, ids=lambda path: path.name)
def test_a_header_says_what_it_holds_and_what_it_needs(path):
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    remark = " ".join(line[3:] for line in lines[: next(i for i, line in enumerate(lines) if not line)])
    assert len(re.findall(r"[^.…]\.(?= |$)", remark)) >= 2 and "Needs" in remark
    assert max(map(len, lines)) <= 110 and len(lines) < 400
    assert not any(line != line.rstrip() or "\t" in line for line in lines) and text.endswith("\n")


def test_includes_are_put_in_place():
    text = expanded('#include <math.h>\n#include "odec/slope.h"\nint after;\n')
    assert text.startswith("#include <math.h>\n// dx/dt held") and text.endswith("#endif\nint after;\n")
    assert "FN void slope(" in text and '"odec/' not in text
    with pytest.raises(FileNotFoundError):
        expanded('#include "odec/none.h"\n')
