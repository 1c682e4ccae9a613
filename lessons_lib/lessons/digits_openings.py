"""What Part B's pages open with: `python -m lessons_lib.lessons.digits_openings [--only LESSON ...]`.

Kept as lessons_lib.lessons.openings and lessons_lib.lessons.measures keep theirs; run it again whenever the weights of a network change.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from lessons_lib.errors import LessonsError
from lessons_lib.film import Film, keep, opening_path
from lessons_lib.images import from_unit, to_uint8
from lessons_lib.lessons import digits_errors as errors
from lessons_lib.lessons import digits_walks as walks
from lessons_lib.lessons import measures, one_step
from lessons_lib.lessons import unet as inside
from lessons_lib.models import digits as networks
from lessons_lib.test_digits import shown_digits


def still(about: dict, pictures: Tensor) -> Film:
    """Pictures (B, 1, 28, 28) in [0, 1] that no walk led to, as a film of one frame."""
    frame = to_uint8(from_unit(pictures)).numpy()
    numbers = pictures[:1].repeat(4, 1, 1, 1).numpy()
    return Film(about, 1, [0], t=[0], t_prev=[-1], xt=[frame], x0_hat=[frame], eps=[frame], numbers=[numbers], final=frame)


def one_step_opening() -> Iterator[tuple[str, Film]]:
    networks.last_epoch("one_step")  # says so if none ships
    x = one_step.to_unit(shown_digits().digit(7))
    look = one_step.through_training(networks.compared("one_step"), x)
    order = [0, len(look.names) - 1, *range(1, len(look.names) - 1)]  # the answer last: it is what the contents page shows
    about = {"pictures": ", ".join(look.names[i] for i in order), "digit": 7, "seed": 180}
    yield "one_step", still(about, look.pictures[order])


def out_of_its_depth_opening() -> Iterator[tuple[str, Film]]:
    x = one_step.to_unit(shown_digits().digit(7))
    look = one_step.through_training([networks.last_epoch("one_step")], x, 0.8)
    about = {"pictures": ", ".join(look.names[i] for i in (2, 0, 1)), "digit": 7, "sigma": 0.8, "seed": 180}
    yield "out_of_its_depth", still(about, look.pictures[[2, 0, 1]])


def unet_opening() -> Iterator[tuple[str, Film]]:
    """What the last block on the way up makes of a noisy 7: its first channels, each on its own scale."""
    network = next(
        (n for n in ("class_conditioned", "time_conditioned", "one_step") if networks.epochs_of(n)), "class_conditioned"
    )
    unet, settings = networks.network_at(network, networks.last_epoch(network))
    question = inside.ask(settings, one_step.to_unit(shown_digits().digit(7)), [7])
    maps = inside.look_inside(unet, question.given, question.t, question.c).gives["up2"][0, :8, None]
    low, high = maps.amin((1, 2, 3), keepdim=True), maps.amax((1, 2, 3), keepdim=True)
    about = {"pictures": "feature maps of up2", "network": network, "digit": 7, "t": question.timestep, "seed": 180}
    yield "unet", still(about, (maps - low) / (high - low).clamp_min(1e-6))


def filmed(about: dict, walk: Iterator) -> Film:
    film = Film(about)
    for _ in film.record_all(walk):
        pass
    return film


def time_opening() -> Iterator[tuple[str, Film]]:
    epochs, last = networks.three("time_conditioned")[::-1], networks.last_epoch("time_conditioned")
    same = {"num_inference_steps": 30, "variance_type": "fixed_large", "seed": 180}
    about = {"network": "time_conditioned", "epochs": ", ".join(map(str, epochs)), **same}
    yield "time", filmed(about, walks.through_training(epochs, **same))
    about = {"network": "time_conditioned", "epoch": last, "lie": "scaled", "amount": -0.5, **same}
    yield "time_lie", filmed(about, walks.truth_and_lie(last, "scaled", -0.5, **same))


def class_opening() -> Iterator[tuple[str, Film]]:
    """One film an epoch; the last one is the page's own."""
    networks.last_epoch("class_conditioned")  # says so if none ships
    epochs = networks.epochs_of("class_conditioned")
    same = {"guidance_scale": 5.0, "num_inference_steps": 12, "variance_type": "fixed_large", "seed": 180}
    for epoch in epochs:
        about = {"network": "class_conditioned", "epoch": epoch, **same}
        name = "class" if epoch == epochs[-1] else f"class_epoch_{epoch}"
        yield name, filmed(about, walks.four_of_each(epoch, **same))


def flow_opening() -> Iterator[tuple[str, Film]]:
    """The two walks the page opens with: the flow's first, as the page's own, and DDPM's."""
    same = {"guidance_scale": 5.0, "seed": 180}
    epoch, steps = networks.last_epoch("flow_matching"), 10
    about = {"network": "flow_matching", "epoch": epoch, "num_inference_steps": steps, **same}
    yield "flow", filmed(about, walks.four_of_each_by_flow(epoch, of_each=2, num_inference_steps=steps, **same))
    epoch, steps = networks.last_epoch("class_conditioned"), 50
    about = {"network": "class_conditioned", "epoch": epoch, "num_inference_steps": steps, **same}
    yield "flow_ddpm", filmed(about, walks.four_of_each(epoch, of_each=2, num_inference_steps=steps, **same))


LESSONS: dict[str, Callable[[], Iterator[tuple[str, Film]]]] = {
    "unet": unet_opening,
    "one_step": one_step_opening,
    "out_of_its_depth": out_of_its_depth_opening,
    "time": time_opening,
    "class": class_opening,
    "flow": flow_opening,
}
MEASURES: dict[str, dict[str, Callable[[], Iterator[dict]]]] = {
    "out_of_its_depth": {"out_of_its_depth": one_step.out_of_its_depth},
    "time": {"time": errors.through_time, "time_lie": errors.told_times},
    "class": {"class": errors.over_guidance, "class_told": errors.told_classes},
    "flow": {"flow": errors.over_steps},
}
"""lesson -> its measures by the names they are kept under."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lessons_lib.lessons.digits_openings", description=__doc__)
    parser.add_argument("--only", nargs="*", choices=list(LESSONS))
    only = parser.parse_args().only
    for lesson in only or LESSONS:
        try:
            for name, film in LESSONS[lesson]():
                size = keep(film, opening_path(name, "mnist"), frames=12)
                print(f"{name}: {film.total} steps, {size / 1000:.0f} kB", flush=True)
            for name, measure in MEASURES.get(lesson, {}).items():
                started = time.monotonic()
                rows = list(measure())
                command = f"python -m lessons_lib.lessons.digits_openings --only {lesson}"
                measures.keep(name, "mnist", rows, started=started, command=command, about="on test digits")
                print(f"measure {name}: {len(rows)} points, {time.monotonic() - started:.0f} s", flush=True)
        except LessonsError as e:
            print(f"{lesson}: {e}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
