"""docs/claims.md: every figure is the kept measure's, every claim holds, every test it names exists."""

import ast

import pytest

from lessons_lib.catalogue import LESSONS
from lessons_lib.files import kept
from lessons_lib.files.film import OPENINGS
from lessons_lib.lessons import claims
from lessons_lib.places import ROOT

ALL = (*claims.CLAIMS, *claims.EVERYWHERE)


def test_the_page_is_what_the_measures_say():
    assert claims.PATH.read_text(encoding="utf-8") == claims.page(), "run python -m lessons_lib.lessons.claims"


@pytest.mark.parametrize("claim", [c for c in ALL if c.measure], ids=lambda c: f"{c.slug}-{c.measure[0]}")
def test_a_claim_holds(claim):
    figures = claim.figures(kept.measure(*claim.measure)["rows"])
    assert claim.holds(figures), claims.said(claim)


@pytest.mark.parametrize("claim", [c for c in ALL if c.test], ids=lambda c: c.test.split("::")[-1])
def test_the_test_it_names_is_there(claim):
    file, name = claim.test.split("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_claim_rests_on_something_and_every_lesson_claims():
    assert all(c.test or c.measure for c in ALL)
    assert {c.slug for c in claims.CLAIMS} == {x.slug for x in LESSONS}


def test_every_finding_is_held():
    assert {c.mends for c in ALL} - {""} == {f"T{i}" for i in range(1, 13)}


SET = ("eta", "guidance_scale", "sigma")
"""Columns that were chosen, not measured."""


@pytest.mark.parametrize("claim", [c for c in ALL if c.measure], ids=lambda c: f"{c.slug}-{c.measure[0]}")
def test_a_measure_that_says_otherwise_fails_the_claim(claim):
    rows = kept.measure(*claim.measure)["rows"]
    worse = [{k: f * v if isinstance(v, float) and k not in SET else v for k, v in r.items()} for r in rows for f in (-1, 10)]
    turned, tenfold = worse[::2], worse[1::2]
    assert not all(claim.holds(claim.figures(other)) for other in (turned, tenfold))


def test_every_kept_measure_is_there_for_a_lesson():
    known = {kept.measure_path(*c.measure).name for c in ALL if c.measure}
    assert known <= {p.name for p in OPENINGS.glob("measure-*.json")}
