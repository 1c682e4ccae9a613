"""What the digit networks draw, and how a lesson asks them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from lessons_lib.denoisers import Conditioned, Network, Prediction, guided
from lessons_lib.flow import euler
from lessons_lib.mnist.data import Digits
from lessons_lib.mnist.train import NUM_CLASSES, Settings
from lessons_lib.mnist.unet import UNet
from lessons_lib.samplers import sample


def network_of(unet: UNet, settings: Settings) -> Network:
    """A UNet as a Network. Its condition is (B, 10): one-hot, or zeros for "any digit".

    A diffusion network is asked at t in 0 .. T - 1 and answers eps. The flow-matching one is asked at t in [0, 1] and
    answers, in the same place, the velocity: see flow.euler().
    """
    whole = 1 if settings.network == "flow_matching" else settings.T

    def network(xt: Tensor, t: Tensor, condition: Tensor) -> Prediction:
        c = condition if unet.num_classes else None
        return Prediction(unet(xt.contiguous(memory_format=torch.channels_last), t / whole, c))

    return network


def condition_of(labels: list[int] | Tensor | None) -> Tensor:
    """(B, 10) one-hot rows for the labels, or (1, 10) zeros for no class. Raises ValueError for a label outside 0 .. 9."""
    if labels is None:
        return torch.zeros(1, NUM_CLASSES)
    labels = torch.as_tensor(labels).view(-1)
    if bool(((labels < 0) | (labels >= NUM_CLASSES)).any()):
        raise ValueError(f"a digit is 0 to 9, got {labels.tolist()}")
    return one_hot(labels.long(), NUM_CLASSES).float()


@torch.no_grad()
def denoise_once(unet: UNet, z: Tensor) -> Tensor:
    """The one-step denoiser: z = x + sigma * eps (B, 1, 28, 28) in about [0, 1] -> its estimate of x, in about [0, 1]."""
    return unet(z)


@torch.no_grad()
def training_samples(unet: UNet, settings: Settings, digits: Digits, n: int = 10, num_inference_steps: int = 25) -> Tensor:
    """(n, 1, 28, 28) in [-1, 1] from a fixed seed: what the network makes at this moment of its training.

    The one-step denoiser shows noisy digits cleaned; the others walk from noise, those with a class to the digits 0 .. 9
    at guidance 5. Leaves the network in training mode if it was.
    """
    training, device = unet.training, next(unet.parameters()).device
    g = torch.Generator().manual_seed(settings.seed)
    unet.eval()
    try:
        if settings.network == "one_step":
            x = digits.images[:n].float() / 255
            z = x + settings.sigma * torch.randn(x.shape, generator=g)
            return denoise_once(unet, z.to(device)).cpu().clamp(0, 1) * 2 - 1
        network = network_of(unet, settings)
        labels = torch.arange(n) % NUM_CLASSES
        denoiser = Conditioned(network, condition_of(labels).to(device))
        if unet.num_classes:
            denoiser = guided(denoiser, Conditioned(network, condition_of(None).to(device)), 5.0)
        xt = torch.randn(n, 1, 28, 28, generator=g).to(device)
        if settings.network == "flow_matching":
            walk = euler(denoiser, xt, num_inference_steps)
        else:
            steps = settings.schedule.spaced_timesteps(min(num_inference_steps, settings.T))
            walk = sample(denoiser, settings.schedule, xt, steps, generator=g)
        for step in walk:
            xt = step.x_prev
        return xt.cpu().clamp(-1, 1)
    finally:
        unet.train(training)
