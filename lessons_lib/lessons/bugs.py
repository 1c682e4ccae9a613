"""The classic mistakes, as real code that really runs.

A student's walk is put together from small pieces; every bug is one piece written wrongly, beside the same piece written
right. With the right pieces the walk is samplers.sample() to the last digit, which tests hold.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from lessons_lib.film import Film
from lessons_lib.lessons._common import Opening
from lessons_lib.lessons.inpainting import preset_mask
from lessons_lib.models.digits import condition_of, open_network
from lessons_lib.models.model import Model
from lessons_lib.models.unet import UNet
from lessons_lib.samplers import Step
from lessons_lib.schedule import Schedule
from lessons_lib.sources import clean_picture

# ---- the pieces, right ------------------------------------------------------------------------------------------------


def forward(schedule: Schedule, x0: Tensor, t: int, eps: Tensor) -> Tensor:
    a = schedule.alpha_bar(t)
    return math.sqrt(a) * x0 + math.sqrt(1 - a) * eps


def one_step(schedule: Schedule, xt: Tensor, t: int, eps: Tensor) -> Tensor:
    a = schedule.alpha_bar(t)
    return (xt - math.sqrt(1 - a) * eps) / math.sqrt(a)


def clip(x0_hat: Tensor) -> Tensor:
    return x0_hat.clamp(-1, 1)


def towards(schedule: Schedule, x0_hat: Tensor, xt: Tensor, t: int, t_prev: int) -> Tensor:
    a, a_prev = schedule.alpha_bar(t), schedule.alpha_bar(t_prev)
    alpha = a / a_prev
    return math.sqrt(a_prev) * (1 - alpha) / (1 - a) * x0_hat + math.sqrt(alpha) * (1 - a_prev) / (1 - a) * xt


def fresh_noise(std: float, z: Tensor, last: bool) -> Tensor:
    return torch.zeros_like(z) if last else std * z


def guide(eps_cond: Tensor, eps_uncond: Tensor, guidance_scale: float) -> Tensor:
    return eps_uncond + guidance_scale * (eps_cond - eps_uncond)


def ask_network(unet: UNet, xt: Tensor, t: int, T: int, c: Tensor) -> Tensor:
    return unet.eval()(xt, torch.full((len(xt),), t / T), c)


def start(schedule: Schedule, x0: Tensor, timesteps: list[int], i_start: int, eps: Tensor) -> Tensor:
    return forward(schedule, x0, timesteps[i_start], eps)


def keep_outside(schedule: Schedule, x_prev: Tensor, x_orig: Tensor, mask: Tensor, t: int, t_prev: int, eps: Tensor) -> Tensor:
    return mask * x_prev + (1 - mask) * forward(schedule, x_orig, t_prev, eps)


# ---- the same pieces, wrong -------------------------------------------------------------------------------------------


def forward_without_sqrt(schedule: Schedule, x0: Tensor, t: int, eps: Tensor) -> Tensor:
    a = schedule.alpha_bar(t)
    return a * x0 + (1 - a) * eps


def one_step_without_sqrt(schedule: Schedule, xt: Tensor, t: int, eps: Tensor) -> Tensor:
    a = schedule.alpha_bar(t)
    return (xt - (1 - a) * eps) / a


def forward_with_alpha(schedule: Schedule, x0: Tensor, t: int, eps: Tensor) -> Tensor:
    a = schedule.alpha_bar(t) / schedule.alpha_bar(t - 1)
    return math.sqrt(a) * x0 + math.sqrt(1 - a) * eps


def one_step_with_alpha(schedule: Schedule, xt: Tensor, t: int, eps: Tensor) -> Tensor:
    a = schedule.alpha_bar(t) / schedule.alpha_bar(t - 1)
    return (xt - math.sqrt(1 - a) * eps) / math.sqrt(a)


def no_clip(x0_hat: Tensor) -> Tensor:
    return x0_hat


def noise_on_every_move(std: float, z: Tensor, last: bool) -> Tensor:
    return std * z


def guide_backwards(eps_cond: Tensor, eps_uncond: Tensor, guidance_scale: float) -> Tensor:
    return eps_uncond + guidance_scale * (eps_uncond - eps_cond)


def ask_with_raw_t(unet: UNet, xt: Tensor, t: int, T: int, c: Tensor) -> Tensor:
    return unet.eval()(xt, torch.full((len(xt),), float(t)), c)


def ask_in_training_mode(unet: UNet, xt: Tensor, t: int, T: int, c: Tensor) -> Tensor:
    return unet.train()(xt, torch.full((len(xt),), t / T), c)


def start_one_too_clean(schedule: Schedule, x0: Tensor, timesteps: list[int], i_start: int, eps: Tensor) -> Tensor:
    return forward(schedule, x0, timesteps[i_start + 3], eps)


def keep_outside_at_t(
    schedule: Schedule, x_prev: Tensor, x_orig: Tensor, mask: Tensor, t: int, t_prev: int, eps: Tensor
) -> Tensor:
    return mask * x_prev + (1 - mask) * forward(schedule, x_orig, t, eps)


# ---- the walk they make -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pieces:
    """What a student writes. Each has the signature of the right one above."""

    forward: Callable = forward
    one_step: Callable = one_step
    clip: Callable = clip
    towards: Callable = towards
    fresh_noise: Callable = fresh_noise
    guide: Callable = guide
    ask_network: Callable = ask_network
    start: Callable = start
    keep_outside: Callable = keep_outside


@dataclass(frozen=True, eq=False)
class Bug:
    """name: in links. title: what a learner picks from the list. symptom: what is seen. why: the reason, in a sentence.

    task: the walk that shows it, "sample", "image_to_image" or "inpaint". wrong: {piece: the function written wrongly}.
    """

    name: str
    title: str
    symptom: str
    why: str
    task: str
    wrong: dict[str, Callable]

    @property
    def pieces(self) -> Pieces:
        return replace(Pieces(), **self.wrong)


BUGS = (
    Bug("no_sqrt", "sqrt left out of alpha_bar", "strokes swell and burn out, or dissolve into grey",
        "alpha_bar is a variance; pictures are scaled by its square root.", "sample",
        {"one_step": one_step_without_sqrt, "forward": forward_without_sqrt}),
    Bug("alpha_for_alpha_bar", "alpha_t used where alpha_bar_t belongs", "the noise hardly leaves the picture",
        "alpha_t undoes one timestep, alpha_bar_t all of them at once.", "sample",
        {"one_step": one_step_with_alpha, "forward": forward_with_alpha}),
    Bug("last_noise", "noise added on the last move", "a fine grain over an otherwise good picture",
        "The last move lands on the image itself: nothing comes after it to take new noise away.", "sample",
        {"fresh_noise": noise_on_every_move}),
    Bug("raw_t", "t not divided by T", "no digits at all",
        "The network learned t / T between 0 and 1; at t = 290 it is asked far outside of that.", "sample",
        {"ask_network": ask_with_raw_t}),
    Bug("training_mode", "BatchNorm left in training mode", "pictures depend on their neighbours in the batch and look washed",
        "In training mode BatchNorm measures the batch in view, not the whole training set; call unet.eval().", "sample",
        {"ask_network": ask_in_training_mode}),
    Bug("guidance_sign", "the guidance difference turned round", "anything but the digit asked for",
        "eps_uncond - eps_cond leads away from the prompt.", "sample", {"guide": guide_backwards}),
    Bug("no_clip", "x0_hat not clipped", "strokes too thick, with stains",
        "Under guidance x0_hat leaves [-1, 1] and every move carries the excess on.", "sample", {"clip": no_clip}),
    Bug("wrong_start", "the image noised to a later entry than the walk starts from", "parts of the original are wiped away",
        "The walk takes out the noise of timesteps[i_start]; there is less than that in the picture.", "image_to_image",
        {"start": start_one_too_clean}),
    Bug("inpaint_t", "inpainting pastes the original at t, not at t_prev", "the kept part stays noisy or has a seam",
        "After the move the picture is at t_prev; what is pasted in must carry the noise of t_prev too.", "inpaint",
        {"keep_outside": keep_outside_at_t}),
)  # fmt: skip


@torch.no_grad()
def student_walk(
    unet: UNet, schedule: Schedule, pieces: Pieces, task: str, labels: Tensor, x_orig: Tensor, mask: Tensor, *,
    guidance_scale: float = 5.0, stride: int = 10, i_start: int = 12, seed: int = 180,
) -> Iterator[Step]:  # fmt: skip
    """Make digits with a student's pieces.

    Args: labels (B, 10) one-hot; x_orig (B, 1, 28, 28) in [-1, 1] and mask (1, 1, 28, 28) are used by "image_to_image" and
    "inpaint". Noise is drawn in the order of samplers.sample(), so that only the pieces make a difference.
    Yields: Step. The walk has its own copy of the network: training mode changes it, and others are using it.
    """
    if task not in ("sample", "image_to_image", "inpaint"):
        raise ValueError(f"task must be 'sample', 'image_to_image' or 'inpaint', got {task!r}")
    unet = copy.deepcopy(unet)
    g = torch.Generator().manual_seed(seed)
    timesteps = schedule.timesteps(stride)
    xt = torch.randn(x_orig.shape, generator=g)
    if task == "image_to_image":
        xt = pieces.start(schedule, x_orig, timesteps, i_start, xt)
        timesteps = timesteps[i_start:]
    total = len(timesteps) - 1
    nothing = torch.zeros_like(labels)
    for index in range(total):
        t, t_prev = timesteps[index], timesteps[index + 1]
        eps_cond = pieces.ask_network(unet, xt, t, schedule.T, labels)
        eps_uncond = pieces.ask_network(unet, xt, t, schedule.T, nothing)
        eps = pieces.guide(eps_cond, eps_uncond, guidance_scale)
        x0_hat = pieces.clip(pieces.one_step(schedule, xt, t, eps))
        last = index == total - 1
        right_piece = pieces.fresh_noise is fresh_noise
        z = torch.zeros_like(xt) if last and right_piece else torch.randn(xt.shape, generator=g)
        std = math.sqrt(schedule.posterior_variance(t, t_prev))
        if last:  # at the end of a strided walk almost nothing is left to add: show what one more stride of noise does
            std = math.sqrt(schedule.posterior_variance(timesteps[-3], timesteps[-2]))
        x_prev = pieces.towards(schedule, x0_hat, xt, t, t_prev) + pieces.fresh_noise(std, z, last)
        if task == "inpaint":
            eps_kept = torch.randn(xt.shape, generator=g)
            x_prev = pieces.keep_outside(schedule, x_prev, x_orig, mask, t, t_prev, eps_kept)
        yield Step(index, total, t, t_prev, xt, eps, x0_hat, x_prev)
        xt = x_prev


MODELS = ("mnist",)


def openings(model: Model) -> Iterator[Opening]:
    """The cases, right and wrong, at the page's defaults; the right walk of one task is walked once."""
    unet, settings = open_network("class_conditioned")
    digits, mask = [0, 2, 3, 5, 8], preset_mask("top half", 28)
    x_orig = torch.cat([clean_picture("digit", f"{d}a", model.shape) for d in digits])
    right: dict[str, Film] = {}
    for bug in BUGS:
        for which, pieces in (("right", Pieces()), ("wrong", bug.pieces)):
            walk = partial(student_walk, unet, settings.schedule, pieces, bug.task, condition_of(digits), x_orig, mask)
            about = {"walk": "right" if which == "right" else "with the bug", "digits": "0 2 3 5 8", "seed": 180}
            film = right.get(bug.task) if which == "right" else None
            film = film or Opening("", about, walk).filmed()
            if which == "right":
                right[bug.task] = film
            yield Opening(f"bugs-{bug.name}-{which}", film.about, film=film, frames=5, channels=("xt",))
