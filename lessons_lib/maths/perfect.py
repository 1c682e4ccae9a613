"""The denoiser that is perfect for a finite set of training pictures, in closed form: a softmax over all of them.

Were the training pictures x_1 .. x_N all that there is, the least squared error at timestep t would be made by their mean,
each weighted by how likely it is to have been noised to x_t:

    x0_hat*(x_t, t) = sum_i w_i x_i      w_i ~ exp(-|x_t - sqrt(abar_t) x_i|^2 / (2 (1 - abar_t)))

Source: Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based Generative Models", arXiv:2206.00364, appendix B.3,
eq. 57, there in terms of sigma = sqrt((1 - abar) / abar). That a walk by it can only end in training pictures is where Kamb &
Ganguli 2024, "An analytic theory of creativity in convolutional diffusion models", arXiv:2412.20292, begin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from lessons_lib.maths.denoisers import Prediction
from lessons_lib.maths.schedule import Schedule


@dataclass(frozen=True, eq=False)
class Perfect:
    """A Denoiser: the one with the least squared error on `pictures`, were they all that there is.

    pictures: (N, C, H, W) in [-1, 1]. They are kept in float64, 8 bytes a value: near t = 0 the squared distances are divided by
    so little that float32 would round the softmax to other weights.
    Raises: ValueError without a picture.
    """

    pictures: Tensor
    schedule: Schedule

    def __post_init__(self):
        if self.pictures.ndim != 4 or not len(self.pictures):
            raise ValueError(f"the training pictures must be (N, C, H, W), N at least 1, got {tuple(self.pictures.shape)}")

    @cached_property
    def _flat(self) -> Tensor:
        return self.pictures.double().flatten(1)

    @cached_property
    def _squares(self) -> Tensor:
        return (self._flat**2).sum(1)

    def weights(self, xt: Tensor, t: int) -> Tensor:
        """How much each training picture counts: (B, N) float64, each row sums to 1.

        Args: xt (B, C, H, W); t in [0, T). Raises: ValueError for pictures of another shape, or a t that is no timestep.
        """
        if xt.shape[1:] != self.pictures.shape[1:]:
            raise ValueError(f"xt is {tuple(xt.shape)}, but the training pictures are {tuple(self.pictures.shape)}")
        abar = self.schedule.alpha_bar(self.schedule.check_timestep(t))
        near = math.sqrt(abar) * (xt.double().flatten(1) @ self._flat.T) - abar * self._squares / 2  # |xt|^2 is common to all
        return (near / (1 - abar)).softmax(1)

    def x0_hat(self, xt: Tensor, t: int) -> Tensor:
        """The weighted mean of all training pictures, shape and dtype of xt, within [-1, 1] as they are."""
        return (self.weights(xt, t) @ self._flat).view_as(xt).to(xt.dtype)

    def __call__(self, xt: Tensor, t: int) -> Prediction:
        return Prediction(self.schedule.predict_eps(xt, t, self.x0_hat(xt, t)))


def effective_number(weights: Tensor) -> Tensor:
    """How many pictures share the weight, exp(entropy): 1 if one has it all, N if all have the same. (B, N) -> (B,)

    >>> effective_number(torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]])).tolist()
    [1.0, 4.0]
    """
    return torch.special.entr(weights).sum(1).exp()


def nearest(x: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """(which of `pictures` (N, C, H, W) is nearest, how far off it is), each (B,), for each picture of x (B, C, H, W).

    The distance is the RMS over the values, in [-1, 1]: 0 is the same, 2 is black against white.
    """
    if x.shape[1:] != pictures.shape[1:]:
        raise ValueError(f"x is {tuple(x.shape)}, but the training pictures are {tuple(pictures.shape)}")
    a, b = x.double().flatten(1), pictures.double().flatten(1)
    distance, which = torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist").min(1)
    return which, distance / math.sqrt(a.shape[1])
