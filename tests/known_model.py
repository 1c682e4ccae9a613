"""A model with a known answer: a network that always knows the noise leading to one picture."""

import torch

from lessons_lib.maths.denoisers import Conditioned, Prediction
from lessons_lib.maths.schedule import Schedule
from lessons_lib.models.model import Model

SCHEDULE = Schedule.cosine()
TARGET = torch.full((1, 3, 16, 16), 0.5)
X0 = (torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(3)) * 2 - 1) * 0.8


def towards(target) -> Model:
    """A Model whose network believes in one picture only, whatever it is asked."""

    def network(xt, t, condition):
        return Prediction(SCHEDULE.predict_eps(xt, t, target.expand_as(xt)))

    return Model(
        name="known",
        title="known",
        about="",
        schedule=SCHEDULE,
        shape=(3, 16, 16),
        prompts=("it",),
        class_of=lambda p: None,
        denoiser=lambda p: Conditioned(network, torch.zeros(1 if isinstance(p, str) else len(p), 1)),
        judge_name=None,
        stride=30,
        guidance_scale=1.0,
    )


def last(walk) -> torch.Tensor:
    """Where a walk ends."""
    *_, step = walk
    return step.x_prev


SIZE = 16
CLEAN = {  # what each prompt means: a picture, brightness growing to the right or downwards, a ring, nothing
    "right": torch.linspace(-0.9, 0.9, SIZE).expand(1, SIZE, SIZE).clone(),
    "down": torch.linspace(-0.9, 0.9, SIZE).view(1, SIZE, 1).expand(1, SIZE, SIZE).clone(),
    "ring": (0.8 * torch.cos(sum(x**2 for x in torch.meshgrid(*[torch.linspace(-3, 3, SIZE)] * 2, indexing="ij")) / 2))[None],
    "": torch.zeros(1, SIZE, SIZE),
}


class Knowing:
    """A network that knows which picture a condition means, and answers with the noise that leads to it."""

    def __init__(self):
        self.calls = []

    def __call__(self, xt, t, condition):
        self.calls.append(len(xt))
        return Prediction(SCHEDULE.predict_eps(xt, int(t[0]), condition), None)


def knowing(network: Knowing | None = None) -> Model:
    """A Model of CLEAN's prompts, without a judge."""
    network = network or Knowing()

    def denoiser(prompt):
        each = [prompt] if isinstance(prompt, str) else prompt
        return Conditioned(network, torch.stack([CLEAN[p] for p in each]))

    return Model(
        name="test",
        title="test",
        about="",
        schedule=SCHEDULE,
        shape=(1, SIZE, SIZE),
        prompts=tuple(CLEAN),
        denoiser=denoiser,
        class_of=lambda p: None,
        judge_name=None,
        stride=90,
        guidance_scale=3.0,
    )
