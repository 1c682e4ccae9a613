"""Adding time: one network for every noise level, through its training, and told the wrong timestep."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from lessons_lib.files import kept
from lessons_lib.lessons._common import SEED, Opening, seeds_of, settings
from lessons_lib.lessons._digits import digits_from_noise, errors_at, in_step, shared, some_digits, spread
from lessons_lib.maths.denoisers import Conditioned, Denoiser, Prediction
from lessons_lib.maths.samplers import Step
from lessons_lib.models.digits import condition_of, describe, epochs_of, last_epoch, three
from lessons_lib.models.model import Model

MODELS = ("mnist",)
NETWORK, COLUMNS = "time_conditioned", 6
SAME = {"num_inference_steps": 30, "variance_type": "fixed_large", "seed": SEED}


def about(**chosen) -> dict:
    """The settings of the walk through the training: network, epochs (newest last), num_inference_steps, variance_type, seed."""
    network = chosen.get("network", NETWORK)
    return settings({"network": network, "epochs": three(network), **SAME}, chosen)


def about_lie(**chosen) -> dict:
    """The settings of the walk that is lied to: epoch, lie, amount and those of about()."""
    network = chosen.get("network", NETWORK)
    return settings({"network": network, "epoch": last_epoch(network), "lie": "scaled", "amount": -0.5, **SAME}, chosen)


def through_training(
    epochs: Sequence[int],
    seeds: Sequence[int],
    *,
    num_inference_steps: int = 30,
    variance_type: str = "fixed_large",
    network: str = NETWORK,
) -> Iterator[Step]:
    """The network after each of the epochs, walked from the same noise with the same noise on the way: a row an epoch."""
    walks = []
    for epoch in epochs:
        net, trained = shared(network, epoch)
        denoiser = Conditioned(net, condition_of(None))
        walks.append(digits_from_noise(denoiser, trained, seeds, num_inference_steps, variance_type))
    yield from in_step(walks)


def lied_to(denoiser: Denoiser, told: Callable[[int], float], T: int) -> Denoiser:
    """A denoiser that is told another timestep than the true one: eps(xt, told(t)), rounded and kept within 0 .. T - 1."""

    def denoise(xt, t: int) -> Prediction:
        return denoiser(xt, heard(told, t, T))

    return denoise


def heard(told: Callable[[int], float], t: int, T: int) -> int:
    """What the network hears when the true timestep is t."""
    return min(max(round(told(t)), 0), T - 1)


LIES: dict[str, Callable[[int, float, int], float]] = {
    "shifted": lambda t, amount, T: t + amount * T,
    "scaled": lambda t, amount, T: t * (1 + amount),
    "frozen": lambda t, amount, T: (0.5 + amount / 2) * (T - 1),
}
"""How t can be lied about: (t, amount, T) -> what the network is told; amount from -1 to 1. At 0, "shifted" and "scaled" tell
the truth, and "frozen" says "half way" at every step."""


def truth_and_lie(
    epoch: int,
    lie: str,
    amount: float,
    seeds: Sequence[int],
    *,
    num_inference_steps: int = 30,
    variance_type: str = "fixed_large",
    network: str = NETWORK,
) -> Iterator[Step]:
    """The same walk twice in one batch: told the true t, and told LIES[lie](t, amount, T). The sampler knows the truth."""
    net, trained = shared(network, epoch)
    honest = Conditioned(net, condition_of(None))
    liar = lied_to(honest, lambda t: LIES[lie](t, amount, trained.T), trained.T)
    how = trained, seeds, num_inference_steps, variance_type
    yield from in_step([digits_from_noise(honest, *how), digits_from_noise(liar, *how)])


def walk(about: dict) -> Iterator[Step]:
    """The page's walk: six pictures an epoch."""
    how = {k: about[k] for k in ("num_inference_steps", "variance_type", "network")}
    return through_training(about["epochs"], seeds_of(about["seed"], COLUMNS), **how)


def walk_lie(about: dict) -> Iterator[Step]:
    """The page's walk that is lied to: six pictures told the truth, six told the lie."""
    how = {k: about[k] for k in ("num_inference_steps", "variance_type", "network")}
    return truth_and_lie(about["epoch"], about["lie"], about["amount"], seeds_of(about["seed"], COLUMNS), **how)


def openings(model: Model) -> Iterator[Opening]:
    """What the page opens with."""
    trained, lie = about(), about_lie()
    yield Opening("time", trained, lambda: walk(trained), frames=12)
    yield Opening("time_lie", lie, lambda: walk_lie(lie), frames=12)


def through_time(num_images: int = 20, points: int = 10, *, network: str = NETWORK) -> Iterator[dict]:
    """The network's error at each t, through its training.

    Rows: t; for each epoch its mean squared error of eps; and "x0_hat", the last one's error of the picture it stands for.
    """
    x0, _ = some_digits(num_images)
    for t in spread(shared(network, last_epoch(network))[1].T, points):
        row: dict = {"t": t}
        for epoch in epochs_of(network):
            net, trained = shared(network, epoch)
            row[describe(epoch)], row["x0_hat"] = errors_at(net, trained.schedule, x0, t)
        yield row


def told_times(num_images: int = 10, points: int = 13, *, network: str = NETWORK) -> Iterator[dict]:
    """The error of eps at three true timesteps, by what the network is told. Rows: told, and a column a true t."""
    x0, _ = some_digits(num_images)
    net, trained = shared(network, last_epoch(network))
    for told in spread(trained.T, points):
        row: dict = {"told": told}
        for t in (trained.T // 5, trained.T // 2, trained.T * 4 // 5):
            row[f"true t = {t}"], _ = errors_at(net, trained.schedule, x0, t, told=told)
        yield row


MEASURES = {"time": through_time, "time_lie": told_times}


def card() -> kept.Card:
    """Noise, half way, a digit."""
    film = kept.film("time", "mnist")
    last = len(film.final) - COLUMNS
    return kept.Card("noise, half way, and a digit", [film.xt[0][last], film.xt[len(film) // 2][last], film.final[last]])
