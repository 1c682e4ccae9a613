"""The Bug lab: walks of digits with one mistake in them, each in a setting in which the mistake shows."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from lessons_lib.checking.mistakes import MISTAKES, Mistake, Pieces
from lessons_lib.files import kept
from lessons_lib.lessons._common import SEED, Opening
from lessons_lib.lessons.inpainting import preset_mask
from lessons_lib.maths.samplers import Step
from lessons_lib.maths.schedule import CLEAN, Schedule
from lessons_lib.models.digits import condition_of, open_network
from lessons_lib.models.model import Model
from lessons_lib.models.unet import UNet
from lessons_lib.sources import clean_picture

MODELS = ("mnist",)
NETWORK = "class_conditioned"
TASKS = {
    "sample": "digits from noise",
    "image_to_image": "image to image: the originals noised, then walked back as another digit",
    "inpaint": "inpainting: the top halves made anew, the bottom halves kept",
}
ORIGINALS = (0, 2, 3, 5, 8)  # the digits that image to image and inpainting begin from


@dataclass(frozen=True)
class Case:
    """A walk with one mistake, in a setting that makes it show.

    bug: the mistake's name. symptom: what is seen beside the right walk; tests hold it against the kept pictures.
    hint: where to look. asked: the digit asked for in each picture. stride, guidance_scale: of the walk. i_start: of image
    to image. to_clean: the walk goes on from t = 0 to the clean image.
    """

    bug: str
    task: str
    symptom: str
    hint: str
    asked: tuple[int, ...] = ORIGINALS
    stride: int = 10
    guidance_scale: float = 5.0
    i_start: int = 0
    to_clean: bool = False

    @property
    def mistake(self) -> Mistake:
        return MISTAKES[self.bug]

    @property
    def right_name(self) -> str:
        """The kept film of the right walk, shared by all cases of one setting."""
        digits, clean = "".join(map(str, self.asked)), "-clean" * self.to_clean
        return f"bugs-right-{self.task}-{digits}-{self.stride}-{self.guidance_scale:g}-{self.i_start}{clean}"

    @property
    def wrong_name(self) -> str:
        return f"bugs-{self.bug}"

    @property
    def task_in_words(self) -> str:
        return f"{TASKS[self.task]}, guidance {self.guidance_scale:g}"


CASES = (  # the easiest first
    Case(
        "raw_t",
        "sample",
        "no digit at all, only white",
        "Is anything of a digit there? The network answers, but to what question?",
    ),
    Case(
        "guidance_sign",
        "sample",
        "clean strokes, but none is the digit that was asked for",
        "Read what was asked for under each.",
    ),
    Case("tables_alpha", "sample", "an even grey, in which nothing is drawn", "How far does x_t come in each move?"),
    Case("alpha_for_alpha_bar", "sample", "noise, from the first step to the last", "How much noise does each move take out?"),
    Case("training_mode", "sample", "a grey ground where it should be black", "Look at the ground, where nothing is drawn."),
    Case(
        "wraps_round",
        "sample",
        "the right digits until the last move, and after it nothing but noise",
        "Walk through the steps: when does it go wrong?",
        to_clean=True,
    ),
    Case(
        "no_sqrt", "sample", "the right digits under a strong grain", "The digits are right. What lies over them, and how much?"
    ),
    Case(
        "mask_inverted",
        "inpaint",
        "the top halves are the originals', and the bottom halves are new",
        "Compare both halves with the originals.",
    ),
    Case(
        "start_last",
        "image_to_image",
        "the originals, hardly changed, not the digits that were asked for",
        "Compare with the originals. How much of them was to be lost?",
        asked=(6, 3, 8, 6, 3),
        i_start=9,
    ),
    Case(
        "one_noise", "sample", "digits that drown in a pattern of black and white", "Walk through the steps: what stays in place?"
    ),
    Case(
        "last_noise",
        "sample",
        "the right pictures, stroke by stroke, under a fine grain",
        "In the difference, is there anything of a digit?",
        stride=30,
    ),
    Case(
        "paste_at_t",
        "inpaint",
        "a fine grain in the kept halves, and none in the new ones",
        "Compare the upper half of the difference with the lower.",
        stride=30,
    ),
    Case(
        "no_noise",
        "sample",
        "smooth digits that are much alike",
        "Are these five different digits, as on the right walk?",
        asked=(3, 3, 3, 3, 3),
    ),
    Case(
        "paste_clean",
        "inpaint",
        "new halves that do not join the kept ones: a broken 5, a broken 8",
        "Follow a stroke from the kept half into the new one.",
        guidance_scale=2.0,
    ),
    Case(
        "no_clip",
        "sample",
        "thicker strokes than right, most of all in the 0, whose hole shrinks",
        "How much ink is there? Look into the 0.",
        stride=50,
        guidance_scale=10.0,
    ),
)


@torch.no_grad()
def student_walk(
    unet: UNet, schedule: Schedule, pieces: Pieces, case: Case, x_orig: Tensor, mask: Tensor, *, seed: int = SEED
) -> Iterator[Step]:
    """Make digits with a student's pieces.

    Args: x_orig (B, 1, 28, 28) in [-1, 1], a picture for each digit asked for, and mask (1, 1, 28, 28) are used by
    "image_to_image" and "inpaint". Noise is drawn in the order of samplers.sample(), so that only the pieces differ.
    Yields: Step. The walk has its own copy of the network: training mode changes it, and others are using it.
    """
    unet = pieces.ready(copy.deepcopy(unet))
    g = torch.Generator().manual_seed(seed)
    labels = condition_of(list(case.asked))
    timesteps = schedule.timesteps(case.stride)
    xt = torch.randn(x_orig.shape, generator=g)
    if case.task == "image_to_image":
        xt = pieces.start(schedule, x_orig, timesteps, case.i_start, xt)
        timesteps = timesteps[case.i_start :]
    timesteps += [CLEAN] * case.to_clean
    total, nothing, first_z = len(timesteps) - 1, torch.zeros_like(labels), None
    for index, (t, t_prev) in enumerate(zip(timesteps, timesteps[1:], strict=False)):
        time = torch.full((len(xt),), pieces.time_of(t, schedule.T))
        eps = pieces.guide(unet(xt, time, labels), unet(xt, time, nothing), case.guidance_scale)
        x0_hat = pieces.clip(pieces.one_step(schedule, xt, pieces.at(t), eps))
        last = index == total - 1
        z = torch.randn(xt.shape, generator=g)
        first_z = z if first_z is None else first_z
        noise = pieces.fresh_noise(pieces.spread(schedule, None, t, t_prev), z, first_z, last)
        x_prev = pieces.towards(schedule, x0_hat, xt, t, t_prev) + noise
        if case.task == "inpaint":
            x_prev = pieces.keep_outside(schedule, x_prev, x_orig, mask, t, t_prev, torch.randn(xt.shape, generator=g))
        yield Step(index, total, t, t_prev, xt, eps, x0_hat, x_prev)
        xt = x_prev


def originals() -> Tensor:
    """(5, 1, 28, 28) in [-1, 1]: the pictures that image to image and inpainting begin from."""
    return torch.cat([clean_picture("digit", f"{d}a", (1, 28, 28)) for d in ORIGINALS])


def about(case: Case, *, bug: bool, seed: int = SEED) -> dict:
    """The settings of one walk. They do not tell which mistake is in it."""
    asked = " ".join(map(str, case.asked))
    same = {"digits": asked, "stride": case.stride, "guidance_scale": case.guidance_scale, "seed": seed}
    return {"walk": "with the bug" if bug else "right", **same}


def walk(case: Case, about: dict) -> Iterator[Step]:
    """The case's walk, right or with its bug."""
    unet, settings = open_network(NETWORK)
    pieces = case.mistake.pieces if about["walk"] == "with the bug" else Pieces()
    return student_walk(unet, settings.schedule, pieces, case, originals(), preset_mask("top half", 28), seed=about["seed"])


def openings(model: Model) -> Iterator[Opening]:
    """Every case's two walks; one right walk serves all cases of its setting."""
    done = set()
    for case in CASES:
        for name, bug in ((case.right_name, False), (case.wrong_name, True)):
            if name not in done:
                done.add(name)
                chosen = about(case, bug=bug)
                yield Opening(name, chosen, lambda case=case, chosen=chosen: walk(case, chosen), frames=6, channels=("xt",))


def card() -> kept.Card:
    """A 3 by the right walk, and by two with a bug."""
    right = next(c for c in CASES if c.bug == "no_sqrt").right_name
    films = [kept.film(name, "mnist") for name in (right, "bugs-guidance_sign", "bugs-no_sqrt")]
    return kept.Card("a 3 by the right walk, and by two with a bug", [film.final[2] for film in films])
