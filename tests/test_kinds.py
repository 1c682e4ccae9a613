"""README's table of kinds tells no more than the tests try."""

import re

import pytest

from lessons_lib.places import ROOT
from tests import kinds


def rows() -> dict[str, tuple[str, int]]:
    """{kind: (promise, cases)} as README has them."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| (K\d|[a-z, ]+) \| (.+) \| ([\d,]+) \|$", text, re.MULTILINE)
    return {kind: (promise, int(n.replace(",", ""))) for kind, promise, n in found if kind in kinds.KINDS}


def test_the_table_is_whole():
    assert {kind: promise for kind, (promise, _) in rows().items()} == {k: p for k, (p, _) in kinds.KINDS.items()}


def test_numbers_are_rounded_down():
    assert [kinds.floor(n) for n in (0, 7, 19, 123, 129, 1_299)] == [0, 7, 19, 120, 120, 1_200]
    assert (
        kinds.counted(["tests/test_links.py::test_x[1]", "tests/test_links.py::test_x[2]", "tests/test_odd.py::test_y"])["K1"]
        == 2
    )


@pytest.mark.slow
def test_the_numbers_are_what_is_collected():
    """Not more than there are, and not so few that the table is of another time. Mended by `python -m tests.kinds`."""
    counts = kinds.counted(kinds.names())
    for kind, (_, said) in rows().items():
        assert 0.8 * counts[kind] <= said <= counts[kind], (kind, said, counts[kind])
