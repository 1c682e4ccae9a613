"""What a network says of a noisy image, and everything that combines such answers: guidance, anagrams, hybrids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from lessons_lib.maths.images import lowpass


class Prediction(NamedTuple):
    """eps: the noise estimate, shape of xt. variance: the network's extra channels in about [-1, 1], where it learned its
    variance (Schedule.learned_log_variance turns them into one), else None."""

    eps: Tensor
    variance: Tensor | None = None


class Denoiser(Protocol):
    """Anything that estimates the noise in xt at timestep t. Its condition (a prompt, a digit) is already bound."""

    def __call__(self, xt: Tensor, t: int) -> Prediction: ...


Condition = Tensor | dict[str, Tensor]
"""What a network is told besides xt and t: a tensor (B, ...), or several by name. What they are, the network knows."""

Network = Callable[[Tensor, Tensor, Condition], Prediction]
"""A whole network: xt (B, C, H, W), t (B,) int64, condition with B rows -> Prediction for the batch."""


def joined(conditions: Sequence[Condition]) -> Condition:
    """Conditions of one kind as one, batch after batch."""
    if isinstance(conditions[0], dict):
        return {name: torch.cat([c[name] for c in conditions]) for name in conditions[0]}
    return torch.cat(list(conditions))


def repeated(condition: Condition, n: int) -> Condition:
    """A condition of one row for n pictures; one that has n rows stays as it is."""
    if isinstance(condition, dict):
        return {name: repeated(part, n) for name, part in condition.items()}
    return condition.expand(n, *condition.shape[1:])


def shape_of(condition: Condition) -> tuple:
    """What two conditions must have in common to be joined: their names and shapes, without the batch."""
    if isinstance(condition, dict):
        return tuple((name, part.shape[1:]) for name, part in condition.items())
    return condition.shape[1:]


@dataclass(frozen=True, eq=False)
class Conditioned:
    """A network with its condition bound: a Denoiser.

    condition: (1, ...) for all pictures alike, or (B, ...) one each, or several such by name. What a condition is, the network
    knows: a prompt's embedding, a one-hot digit.
    """

    network: Network
    condition: Condition

    def __call__(self, xt: Tensor, t: int) -> Prediction:
        return ask([self], [xt], t)[0]


@dataclass(frozen=True, eq=False)
class Combined:
    """A denoiser made of others: each part is shown its own version of xt, and their answers are combined.

    show: xt -> what each part sees. combine: the parts' predictions -> one.
    """

    parts: tuple[Denoiser, ...]
    show: Callable[[Tensor], list[Tensor]]
    combine: Callable[[list[Prediction]], Prediction]

    def __call__(self, xt: Tensor, t: int) -> Prediction:
        return ask([self], [xt], t)[0]


def ask(denoisers: list[Denoiser], xts: list[Tensor], t: int) -> list[Prediction]:
    """Every denoiser's answer to its own xt. What shares a network goes through it as one batch, however deeply combined.

    One Conditioned asked twice about the very same tensor is asked once: a hybrid's two prompts can share their
    unconditional branch.
    """
    leaves: list[tuple[Denoiser, Tensor]] = []

    def spread(denoiser: Denoiser, xt: Tensor) -> Callable[[list[Prediction]], Prediction]:
        """Collect the leaves below a denoiser; returns how its answer is made from all leaves' answers."""
        if isinstance(denoiser, Combined):
            below = [spread(d, x) for d, x in zip(denoiser.parts, denoiser.show(xt), strict=True)]
            return lambda answers: denoiser.combine([b(answers) for b in below])
        same = (i for i, (d, x) in enumerate(leaves) if d is denoiser and x is xt and isinstance(d, Conditioned))
        place = next(same, len(leaves))
        if place == len(leaves):
            leaves.append((denoiser, xt))
        return lambda answers: answers[place]

    roots = [spread(d, xt) for d, xt in zip(denoisers, xts, strict=True)]
    answers: list[Prediction | None] = [None] * len(leaves)
    shared: dict[int, list[int]] = {}
    for i, (leaf, xt) in enumerate(leaves):
        if isinstance(leaf, Conditioned):
            shared.setdefault(id(leaf.network), []).append(i)
        else:
            answers[i] = leaf(xt, t)
    for places in shared.values():
        sizes = [len(leaves[i][1]) for i in places]
        conditions = [repeated(leaves[i][0].condition, n) for i, n in zip(places, sizes, strict=True)]
        x = torch.cat([leaves[i][1] for i in places])
        eps, variance = leaves[places[0]][0].network(x, torch.full((len(x),), t, device=x.device), joined(conditions))
        variances = variance.split(sizes) if variance is not None else [None] * len(sizes)
        for i, e, v in zip(places, eps.split(sizes), variances, strict=True):
            answers[i] = Prediction(e, v)
    return [root(answers) for root in roots]


def guided(cond: Denoiser, uncond: Denoiser, guidance_scale: float | Tensor = 7.0) -> Denoiser:
    """Classifier-free guidance.

    eps = eps_uncond + guidance_scale * (eps_cond - eps_uncond)

    0 is the unconditional prediction, 1 the conditional one. The paper writes (1 + w) eps_cond - w eps_uncond: its w is
    guidance_scale - 1. The variance is the conditional branch's.

    Args: guidance_scale: one for all pictures, or (B, 1, 1, 1) for one each.
    Source: Ho & Salimans 2022, arXiv:2207.12598, eq. 6.

    >>> cond, uncond = (lambda xt, t: Prediction(0.5 * xt)), (lambda xt, t: Prediction(0 * xt))
    >>> [guided(cond, uncond, scale)(torch.ones(1, 1, 1, 1), 0).eps.item() for scale in (0.0, 1.0, 7.0)]
    [0.0, 0.5, 3.5]
    """

    def combine(answers: list[Prediction]) -> Prediction:
        c, u = answers
        return Prediction(u.eps + guidance_scale * (c.eps - u.eps), c.variance)

    return Combined((cond, uncond), lambda xt: [xt, xt], combine)


def within(guided: Denoiser, cond: Denoiser, low: int, high: int) -> Denoiser:
    """Guidance in an interval of timesteps only: `guided` for low <= t <= high, the conditional answer elsewhere.

    Source: Kynkäänniemi et al. 2024, "Applying Guidance in a Limited Interval Improves Sample and Distribution Quality in
    Diffusion Models", arXiv:2404.07724.
    """
    return lambda xt, t: (guided if low <= t <= high else cond)(xt, t)


class View(Protocol):
    """A way to look at an image and back again. `there` and `back` undo one another on every (B, C, H, W) tensor."""

    name: str

    def there(self, x: Tensor) -> Tensor: ...

    def back(self, x: Tensor) -> Tensor: ...


def anagram(a: Denoiser, b: Denoiser, turn: View) -> Denoiser:
    """One image that two denoisers read, a as it is and b through a view.

    eps = (eps_a(xt) + back(eps_b(there(xt)))) / 2

    Source: Geng et al. 2024, "Visual Anagrams", arXiv:2311.17919, eq. 4.

    >>> from lessons_lib.maths.views import VIEWS
    >>> a, b = (lambda xt, t: Prediction(xt)), (lambda xt, t: Prediction(0 * xt))
    >>> anagram(a, b, VIEWS["flip"])(torch.tensor([[[[1.0], [-1.0]]]]), 0).eps.flatten().tolist()
    [0.5, -0.5]
    """

    def combine(answers: list[Prediction]) -> Prediction:
        pa, pb = answers
        return Prediction((pa.eps + turn.back(pb.eps)) / 2, pa.variance)

    return Combined((a, b), lambda xt: [xt, turn.there(xt)], combine)


def hybrid(a: Denoiser, b: Denoiser, kernel_size: int = 33, sigma: float = 2.0) -> Denoiser:
    """Low frequencies from a, seen from afar; high frequencies from b, seen near.

    eps = lowpass(eps_a) + (eps_b - lowpass(eps_b))

    Args: kernel_size (odd, pixels) and sigma (pixels) of the Gaussian; 33 and 2 suit 64x64, scale both with the image.
    Source: Geng et al. 2024, "Factorized Diffusion", arXiv:2404.11615, section 3.
    """

    def combine(answers: list[Prediction]) -> Prediction:
        pa, pb = answers
        eps = lowpass(pa.eps, kernel_size, sigma) + pb.eps - lowpass(pb.eps, kernel_size, sigma)
        return Prediction(eps, pa.variance)

    return Combined((a, b), lambda xt: [xt, xt], combine)


def perfect(x0: Tensor, schedule) -> Denoiser:
    """A denoiser that knows the answer: the noise that leads to x0. For tests, and for seeing what a walk does by itself."""

    def denoise(xt: Tensor, t: int) -> Prediction:
        return Prediction(schedule.predict_eps(xt, t, torch.as_tensor(x0).expand_as(xt)))

    return denoise
