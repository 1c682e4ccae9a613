"""Compute what the pages open with: `python -m lessons_lib.openings [MODEL ...] [--only LESSON ...]`.

Every entry is the lesson's own walk at its defaults, kept as a small file in cache/openings with the day it was made. Run it
again whenever the weights change.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

from lessons_lib import walks
from lessons_lib.film import Film, opening_path
from lessons_lib.models import Model, available, open_model

GUIDANCE_SCALES = (0.0, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0)


def guidance(model: Model) -> tuple[dict, Iterator]:
    prompt = model.prompts[0]
    about = {"model": model.title, "prompt": prompt, "seed": 180, "clip_x0": True, "guidance_scale": "0 to 15"}
    return about, walks.over_guidance_scales(model, prompt, GUIDANCE_SCALES)


def hero(model: Model) -> tuple[dict, Iterator]:
    """The contents page: a dozen prompts at once, each picture its own."""
    prompts = [model.prompts[i % len(model.prompts)] for i in range(12)]
    about = {"model": model.title, "prompt": ", ".join(prompts), "seed": 180, "guidance_scale": model.guidance_scale}
    return about, walks.from_noise(model, prompts, num_images=12, guidance_scale=model.guidance_scale)


LESSONS: dict[str, Callable[[Model], tuple[dict, Iterator]]] = {"hero": hero, "guidance": guidance}
"""opening's name -> what made it, and its walk. The page's `about` has the same keys, so it can say what was changed."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lessons_lib.openings", description=__doc__)
    parser.add_argument("models", nargs="*", help="default: all that ship")
    parser.add_argument("--only", nargs="*", choices=list(LESSONS))
    args = parser.parse_args()
    for name in args.models or available():
        model = open_model(name)
        for lesson in args.only or LESSONS:
            about, walk = LESSONS[lesson](model)
            film = Film(about)
            for _ in film.record_all(walk):
                pass
            path = opening_path(lesson, name)
            film.save(path)
            print(f"{path.name}: {film.total} steps, {film.seconds:.1f} s, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
