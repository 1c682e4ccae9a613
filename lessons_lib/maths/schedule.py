"""The noise schedule: how much of the image is left at each timestep, and every formula that needs only that."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

CLEAN = -1
"""The timestep that stands for the clean image: alpha_bar = 1. A walk may end there, no network is ever asked there."""


@dataclass(frozen=True, eq=False)
class Schedule:
    """alpha_bar for every timestep, and the algebra between x0, xt and eps.

    Args:
        alphas_cumprod: (T,) float64, strictly decreasing, each in (0, 1). Kept in float64 because in half precision
            alpha_bar is 0 at t = 990 and 1 at t <= 3 on the cosine schedule.
    Raises: ValueError if the values do not decrease or leave (0, 1).
    Source: Ho et al. 2020, arXiv:2006.11239.

    >>> schedule = Schedule.cosine()
    >>> schedule.T, round(schedule.alpha_bar(500), 2)
    (1000, 0.49)
    >>> Schedule(torch.tensor([0.5, 0.9]))
    Traceback (most recent call last):
    ValueError: alphas_cumprod must fall at every timestep, but rises to 0.9 at t = 1
    """

    alphas_cumprod: Tensor

    def __post_init__(self):
        a = torch.as_tensor(self.alphas_cumprod, dtype=torch.float64).detach().cpu()
        if a.ndim != 1 or len(a) == 0:
            raise ValueError(f"alphas_cumprod must be one row of numbers, got shape {tuple(a.shape)}")
        if not (bool(torch.isfinite(a).all()) and bool((a > 0).all()) and bool((a < 1).all())):
            raise ValueError(f"alphas_cumprod must stay between 0 and 1, got {a.min().item():g} to {a.max().item():g}")
        if len(a) > 1 and not bool((a[1:] < a[:-1]).all()):
            t = int((a[1:] >= a[:-1]).nonzero()[0]) + 1
            raise ValueError(f"alphas_cumprod must fall at every timestep, but rises to {a[t].item():g} at t = {t}")
        object.__setattr__(self, "alphas_cumprod", a)

    @classmethod
    def linear(cls, T: int = 1000, beta_start: float = 1e-4, beta_end: float = 0.02) -> Schedule:
        """Betas on a straight line from beta_start to beta_end (DDPM, section 4)."""
        betas = torch.linspace(beta_start, beta_end, _whole("T", T, 1), dtype=torch.float64)
        return cls((1 - betas).cumprod(0))

    @classmethod
    def cosine(cls, T: int = 1000, max_beta: float = 0.999) -> Schedule:
        """diffusers' ``squaredcos_cap_v2``, the schedule of DeepFloyd IF (Nichol & Dhariwal 2021, eq. 17)."""

        def f(u: float) -> float:
            return math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2

        betas = [min(1 - f((t + 1) / T) / f(t / T), max_beta) for t in range(_whole("T", T, 1))]
        return cls((1 - torch.tensor(betas, dtype=torch.float64)).cumprod(0))

    @property
    def T(self) -> int:
        """The number of timesteps; valid timesteps are 0 .. T - 1."""
        return len(self.alphas_cumprod)

    def check_timestep(self, t: int, *, clean_allowed: bool = False) -> int:
        """t itself if it is a timestep of this schedule, else ValueError with the bad value."""
        return _whole("timestep", t, CLEAN if clean_allowed else 0, self.T - 1)

    def alpha_bar(self, t: int | Tensor) -> float | Tensor:
        """alpha_bar at t: a float for one timestep (1.0 at CLEAN), a (B,) tensor for a batch of them."""
        if isinstance(t, Tensor) and t.ndim:
            if bool(((t < 0) | (t >= self.T)).any()):
                raise ValueError(f"timesteps {t.min().item()} .. {t.max().item()} are outside 0 .. {self.T - 1}")
            return self.alphas_cumprod[t.cpu()].to(t.device)
        t = self.check_timestep(t, clean_allowed=True)
        return 1.0 if t == CLEAN else self.alphas_cumprod[t].item()

    def snr(self, t: int) -> float:
        """Signal-to-noise ratio alpha_bar / (1 - alpha_bar), infinite at CLEAN."""
        a = self.alpha_bar(t)
        return math.inf if a == 1 else a / (1 - a)

    def _coefficients(self, t: int | Tensor, like: Tensor) -> tuple:
        """sqrt(alpha_bar) and sqrt(1 - alpha_bar), ready to multiply `like`: floats, or (B, 1, 1, 1) for a batch of t."""
        a = self.alpha_bar(t)
        if isinstance(a, float):
            return math.sqrt(a), math.sqrt(1 - a)
        if len(a) != len(like):
            raise ValueError(f"{len(a)} timesteps for a batch of {len(like)} images")
        shape = (-1,) + (1,) * (like.ndim - 1)
        return tuple(c.to(like.device, like.dtype).view(shape) for c in (a.sqrt(), (1 - a).sqrt()))

    def add_noise(self, x0: Tensor, t: int | Tensor, eps: Tensor) -> Tensor:
        """Noise a clean image to timestep t in one jump.

        xt = sqrt(abar_t) * x0 + sqrt(1 - abar_t) * eps       (DDPM, eq. 4)

        Args:
            x0: (B, C, H, W), values in [-1, 1].
            t: timestep in [0, T), or (B,) of them; 0 is nearly clean. CLEAN gives x0 back.
            eps: standard normal, the shape of x0.
        Returns: xt, shape and dtype of x0.
        Raises: ValueError if t is out of range or the shapes differ.
        Source: Ho et al. 2020, arXiv:2006.11239.

        >>> schedule, x0 = Schedule(torch.tensor([0.64, 0.36])), torch.ones(1, 1, 1, 1)
        >>> round(schedule.add_noise(x0, 1, 0 * x0).item(), 4)  # the picture's own share of x_1
        0.6
        >>> round(schedule.add_noise(0 * x0, 1, x0).item(), 4)  # the noise's
        0.8
        """
        _same_shape(x0=x0, eps=eps)
        signal, noise = self._coefficients(t, x0)
        return signal * x0 + noise * eps

    def predict_x0(self, xt: Tensor, t: int | Tensor, eps: Tensor) -> Tensor:
        """The clean image that xt would come from, were eps its noise.

        x0_hat = (xt - sqrt(1 - abar_t) * eps) / sqrt(abar_t)       (DDPM, eq. 15)

        Args: xt, eps (B, C, H, W); t in [0, T). Returns: x0_hat, not clipped, shape and dtype of xt.
        Raises: ValueError if t is out of range or the shapes differ.
        """
        _same_shape(xt=xt, eps=eps)
        signal, noise = self._coefficients(t, xt)
        return (xt - noise * eps) / signal

    def predict_eps(self, xt: Tensor, t: int | Tensor, x0: Tensor) -> Tensor:
        """The noise in xt, were x0 its clean image: add_noise solved for eps. Shapes as in predict_x0; t in [0, T)."""
        _same_shape(xt=xt, x0=x0)
        signal, noise = self._coefficients(t if isinstance(t, Tensor) else self.check_timestep(t), xt)
        return (xt - signal * x0) / noise

    def velocity(self, x0: Tensor, t: int | Tensor, eps: Tensor) -> Tensor:
        """v = sqrt(abar_t) * eps - sqrt(1 - abar_t) * x0 (Salimans & Ho 2022, arXiv:2202.00512, appendix D)."""
        _same_shape(x0=x0, eps=eps)
        signal, noise = self._coefficients(t, x0)
        return signal * eps - noise * x0

    def eps_from_velocity(self, xt: Tensor, t: int | Tensor, v: Tensor) -> Tensor:
        """eps = sqrt(abar_t) * v + sqrt(1 - abar_t) * xt: what a v-predicting network says of the noise."""
        _same_shape(xt=xt, v=v)
        signal, noise = self._coefficients(t, xt)
        return signal * v + noise * xt

    def move(self, t: int, t_prev: int) -> tuple[float, float]:
        """(alpha, beta) of the move from t to the less noisy t_prev: alpha = abar_t / abar_t_prev, beta = 1 - alpha."""
        self.check_timestep(t)
        self.check_timestep(t_prev, clean_allowed=True)
        if t_prev >= t:
            raise ValueError(f"a walk goes to less noise: t_prev = {t_prev} is not below t = {t}")
        alpha = self.alpha_bar(t) / self.alpha_bar(t_prev)
        return alpha, 1 - alpha

    def posterior_mean(self, x0: Tensor, xt: Tensor, t: int, t_prev: int) -> Tensor:
        """The middle of where x_{t_prev} lies, given xt and the clean image.

        mean = sqrt(abar_t') * beta / (1 - abar_t) * x0 + sqrt(alpha) * (1 - abar_t') / (1 - abar_t) * xt
        with alpha = abar_t / abar_t', beta = 1 - alpha       (DDPM, eq. 7, for any stride)

        Args: x0, xt (B, C, H, W); t in [0, T); t_prev below t, CLEAN for the clean image itself.
        Returns: the mean, shape and dtype of xt.
        Raises: ValueError if the timesteps do not descend or the shapes differ.
        """
        _same_shape(x0=x0, xt=xt)
        alpha, beta = self.move(t, t_prev)
        a, a_prev = self.alpha_bar(t), self.alpha_bar(t_prev)
        return math.sqrt(a_prev) * beta / (1 - a) * x0 + math.sqrt(alpha) * (1 - a_prev) / (1 - a) * xt

    def posterior_variance(self, t: int, t_prev: int) -> float:
        """beta * (1 - abar_t') / (1 - abar_t), at least 1e-20 (DDPM, eq. 7)."""
        _, beta = self.move(t, t_prev)
        return max(beta * (1 - self.alpha_bar(t_prev)) / (1 - self.alpha_bar(t)), 1e-20)

    def learned_log_variance(self, v: Tensor, t: int, t_prev: int) -> Tensor:
        """A network's own log-variance, between the largest and the smallest that make sense.

        log var = f * log(beta) + (1 - f) * log(posterior variance), f = (v + 1) / 2

        Args: v: (B, C, H, W), the network's extra channels, about [-1, 1].
        Source: Nichol & Dhariwal 2021, arXiv:2102.09672, eq. 15.
        """
        _, beta = self.move(t, t_prev)
        f = (v + 1) / 2
        return f * math.log(beta) + (1 - f) * math.log(self.posterior_variance(t, t_prev))

    def timesteps(self, stride: int = 30) -> list[int]:
        """The course's strided walk: multiples of stride below T, descending to 0. T = 1000, stride 30: 990, 960 .. 0.

        >>> Schedule.cosine().timesteps(330)
        [990, 660, 330, 0]
        """
        stride = _whole("stride", stride, 1, self.T - 1)
        return list(range((self.T - 1) // stride * stride, -1, -stride))

    def spaced_timesteps(self, num_inference_steps: int) -> list[int]:
        """num_inference_steps moves, evenly spread from T - 1 down to 0, the last one to CLEAN.

        >>> Schedule.cosine().spaced_timesteps(4)
        [999, 666, 333, 0, -1]
        """
        n = _whole("num_inference_steps", num_inference_steps, 1, self.T)
        if n == 1:
            return [self.T - 1, CLEAN]
        return [round((self.T - 1) * (n - 1 - i) / (n - 1)) for i in range(n)] + [CLEAN]


def _whole(name: str, value, low: int, high: float = math.inf) -> int:
    """value as an int, if it is a whole number from low to high; else ValueError with the bad value."""
    try:
        whole = int(value)
        if whole == value and low <= whole <= high and not isinstance(value, bool):
            return whole
    except (TypeError, ValueError, OverflowError):  # no number, NaN, infinite
        pass
    span = f"of at least {low}" if high == math.inf else f"from {low} to {high}"
    raise ValueError(f"{name} must be a whole number {span}, got {value!r}")


def _same_shape(**tensors: Tensor) -> None:
    (name_a, a), (name_b, b) = tensors.items()
    if a.shape != b.shape:
        raise ValueError(f"{name_a} has shape {tuple(a.shape)} but {name_b} has {tuple(b.shape)}; they must match")
