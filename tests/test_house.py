"""The house: arrows point one way, none is hidden in a function, and torch and streamlit have their rooms."""

import ast
import subprocess
import sys
import tomllib
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from lessons_lib.places import ROOT

FLOORS = ("ground", "models", "lessons", "ui", "pages")
BESIDE_LESSONS = ("training", "checking", "cluster")
CLUSTER = "lessons_lib.cluster"
ROOMS, ARROWS = 25, 89  # at most: a room is a folder of the library, or a file that lies in none; all pages are one
TORCH_S_DOOR = {"lessons_lib.maths.images"}  # a film opens without torch, and meets tensors only when a walk is recorded
WITHOUT_TORCH = ("catalogue", "engine", "files.film", "files.pictures", "files.kept", "files.curves", "places", "models.names")


def files() -> list[Path]:
    return [ROOT / "Home.py", *(ROOT / "pages").glob("*.py"), *(ROOT / "lessons_lib").rglob("*.py")]


def name_of(path: Path) -> str:
    """ "lessons_lib.models.names" of a file; a package's own file is the package."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def modules() -> dict[str, Path]:
    return {name_of(p): p for p in files()}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.AST, *, at_once: bool = False) -> set[str]:
    """The modules of ours that a tree imports. at_once: only outside functions."""
    found, todo = set(), [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("lessons_lib"):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in modules() else node.module)
        elif isinstance(node, ast.Import):
            found |= {a.name for a in node.names if a.name.startswith("lessons_lib")}
        if not (at_once and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)):
            todo += ast.iter_child_nodes(node)
    return found


def arrows(**how) -> dict[str, set[str]]:
    return {name: imports(tree_of(path), **how) for name, path in modules().items()}


def floor(name: str) -> int:
    if not name.startswith("lessons_lib"):
        return FLOORS.index("pages")
    room = name.split(".")[1] if name.count(".") else "ground"
    if room in FLOORS[1:]:
        return FLOORS.index(room)
    return FLOORS.index("lessons" if room in BESIDE_LESSONS else "ground")


def room(name: str) -> str:
    """The folder of lessons_lib that a module lies in, itself if it lies in none, "pages" for what is opened in the browser."""
    library, _, rest = name.partition(".")
    return (rest.split(".")[0] or library) if library == "lessons_lib" else "pages"


def between_rooms() -> dict[str, set[str]]:
    """room -> the other rooms that it imports."""
    found: dict[str, set[str]] = {}
    for a, bs in arrows().items():
        found.setdefault(room(a), set()).update({room(b) for b in bs} - {room(a)})
    return found


@pytest.mark.parametrize("graph", [arrows, between_rooms])
def test_there_is_no_circle(graph):
    try:
        list(TopologicalSorter(graph()).static_order())
    except CycleError as e:
        pytest.fail(" -> ".join(e.args[1]))


def test_the_map_is_small():
    rooms = between_rooms()
    assert {"ui", "maths", "pages", "lessons_lib"} <= set(rooms)
    assert len(rooms) <= ROOMS
    assert sum(map(len, rooms.values())) <= ARROWS


def test_no_arrow_climbs():
    climbing = [(a, b) for a, bs in arrows().items() for b in bs if floor(b) > floor(a)]
    assert not climbing


def test_no_arrow_is_hidden_in_a_function_below_the_pages():
    """Pages and ui import late what needs torch, so that the title stands at once; the library has no reason to."""
    hidden = {
        name: late
        for name, path in modules().items()
        if floor(name) < FLOORS.index("ui")
        and (late := imports(tree := tree_of(path)) - imports(tree, at_once=True) - TORCH_S_DOOR)
    }
    assert not hidden


def test_only_the_pages_door_leads_to_the_cluster_and_it_opens_late():
    inside = {name for name in modules() if name.startswith(CLUSTER)}
    assert len(inside) > 1
    asked = {name for name, there in arrows().items() if there & inside} - inside
    assert asked <= {"lessons_lib.ui.cluster"}
    assert not {name for name, there in arrows(at_once=True).items() if there & inside} - inside
    for name, path in modules().items():
        tree = tree_of(path)
        found = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
        found |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert name in inside or not any(f.split(".")[0] == "ray" for f in found), name


def test_all_but_the_cluster_opens_where_ray_is_not_installed():
    rest = [name for name in modules() if name.startswith("lessons_lib") and not name.startswith(CLUSTER)]
    code = "import sys; sys.modules['ray'] = None\n" + "\n".join(f"import {name}" for name in rest)
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_these_open_without_torch():
    code = "import sys; sys.modules['torch'] = None\n" + "\n".join(f"import lessons_lib.{m}" for m in WITHOUT_TORCH)
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_ruff_makes_no_exception_for_files_that_are_gone():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    excepted = settings["tool"]["ruff"]["lint"]["per-file-ignores"]
    assert excepted
    assert not [pattern for pattern in excepted if not any(ROOT.glob(pattern))]
