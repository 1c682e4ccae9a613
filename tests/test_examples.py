"""Every example in a docstring of the library, and README's own, is run."""

import doctest
import importlib
import re

import pytest

from lessons_lib.places import ROOT

EXAMPLES = [p for p in sorted((ROOT / "lessons_lib").rglob("*.py")) if ">>> " in p.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: f"{p.parent.name}.{p.stem}")
def test_the_examples_of_a_module(path):
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted
    assert not result.failed


def test_the_maths_has_examples():
    with_one = {p.stem for p in EXAMPLES if p.parent.name == "maths"}
    assert with_one >= {"schedule", "samplers", "denoisers", "flow", "images", "metrics", "views", "solvers", "perfect"}


def test_the_example_in_readme_walks(capsys):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"## The three objects\n\n```python\n(.*?)```", readme, re.DOTALL)
    for long, short in (("emoji", "mnist"), ("a penguin", "3"), ("stride=30", "stride=100")):  # a second, not a minute
        assert code.count(long) == 1
        code = code.replace(long, short)
    code = code.replace('or "mnist"', "")
    exec(code, {})
    assert capsys.readouterr().out.splitlines() == ["200 torch.Size([1, 1, 28, 28])", "100 torch.Size([1, 1, 28, 28])"]
