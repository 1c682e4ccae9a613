"""Make all that the pages open with: `python -m lessons_lib.lessons.keep [SLUG ...]`. Run it whenever weights change.

A lesson module may offer
    openings(model) -> Openings     films, by the very about() and walk() that its page uses
    MEASURES {name: function}       (model, num_images) -> rows, or without a model where the lesson has networks of its own
    card() -> kept.Card             made from the films, after them
    MODELS (names)                  the models it runs on; all that ship if it does not say
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import inspect
import keyword
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import torch

from lessons_lib.catalogue import HOME, LESSONS
from lessons_lib.errors import LessonsError
from lessons_lib.files import kept
from lessons_lib.files.film import keep, opening_path
from lessons_lib.lessons import claims
from lessons_lib.models import used
from lessons_lib.models.judge import Judge
from lessons_lib.models.names import available, weights
from lessons_lib.models.opening import open_model

WHAT = ("openings", "measures", "cards")


def module_of(slug: str) -> ModuleType | None:
    """The lesson's module in lessons/, or None if it has none."""
    name = f"lessons_lib.lessons.{slug + '_' * keyword.iskeyword(slug)}"
    return importlib.import_module(name) if importlib.util.find_spec(name) else None


def models_of(lesson: ModuleType) -> list[str]:
    """The shipped models that a lesson runs on."""
    return [m for m in getattr(lesson, "MODELS", available()) if weights(m)]


def keep_openings(lesson: ModuleType, name: str) -> None:
    """Walk and keep a lesson's films on one model."""
    for opening in lesson.openings(open_model(name)):
        film = opening.filmed()
        path = opening_path(opening.name, name)
        size = keep(film, path, frames=opening.frames, channels=opening.channels)
        print(f"{path.name}: {film.total} steps, {film.seconds:.1f} s, {size / 1000:.0f} kB", flush=True)


@contextmanager
def _noting_the_judge(judge: Judge | None, files: dict) -> Iterator[None]:
    """Its file is noted if it is asked. Not by used.note(): what a page names is what drew a picture, and the judge draws none."""
    if judge is None:
        yield
        return
    asked = judge.net[0].register_forward_hook(lambda *_: files.update({judge.file: None}))
    try:
        yield
    finally:
        asked.remove()


def keep_measures(slug: str, lesson: ModuleType, name: str, num_images: int | None = None) -> None:
    """Take and keep a lesson's measures on one model, if that has a judge."""
    model = open_model(name)
    for measure, rows_of in lesson.MEASURES.items():
        started = time.monotonic()
        wants = inspect.signature(rows_of).parameters
        n, given = num_images or wants["num_images"].default, [model] if "model" in wants else []
        rows = []
        with used.noting() as files, _noting_the_judge(model.judge, files):
            for row in rows_of(*given, num_images=n):
                rows.append(row)
                print(measure, name, row, flush=True)
        command = f"python -m lessons_lib.lessons.keep {slug} --only measures --models {name} --num-images {n}"
        about = f"{model.about}, {n} pictures"
        kept.keep_measure(measure, name, rows, started=started, command=command, about=about, weights=used.hashes(files))


def keep_card(slug: str, lesson: ModuleType) -> None:
    """Draw and keep a lesson's card."""
    print(f"card {slug}: {kept.keep_card(slug, lesson.card()) / 1000:.0f} kB", flush=True)


def main() -> None:
    """See the module's first line."""
    slugs = [HOME.slug, *(x.slug for x in LESSONS)]
    parser = argparse.ArgumentParser(prog="python -m lessons_lib.lessons.keep", description=__doc__)
    parser.add_argument("slugs", nargs="*", metavar="SLUG", help=f"default: all of {', '.join(slugs)}")
    parser.add_argument("--models", nargs="*", help="default: all that the lesson runs on")
    parser.add_argument("--only", nargs="*", choices=WHAT, default=WHAT)
    parser.add_argument("--num-images", type=int, help="of a measure; default: its own")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for slug in args.slugs or slugs:
        lesson = module_of(slug)
        if lesson is None:
            continue
        try:
            for name in [m for m in models_of(lesson) if m in (args.models or models_of(lesson))]:
                if "openings" in args.only and hasattr(lesson, "openings"):
                    keep_openings(lesson, name)
                if "measures" in args.only and hasattr(lesson, "MEASURES"):
                    keep_measures(slug, lesson, name, args.num_images)
            if "cards" in args.only and hasattr(lesson, "card"):
                keep_card(slug, lesson)
        except LessonsError as e:
            print(f"{slug}: {e}", flush=True)
    if "measures" in args.only:
        try:
            claims.main()  # its figures are those of the measures
        except LookupError as e:
            print(f"docs/claims.md is not written: {e}", flush=True)


if __name__ == "__main__":
    main()
