"""Flow matching from uniform noise; the noise weighted by its variance; one number for all pixels."""

import torch

EXPECT = {"forward": ["no_sqrt"], "noise_digits": ["no_noise_added"], "time_fm_forward": ["uniform"]}
alphas_cumprod = None


def forward(im, t):
    return alphas_cumprod[t].sqrt() * im + (1 - alphas_cumprod[t]) * torch.randn_like(im)


def noise_digits(x, sigma):
    return x + sigma * torch.randn(1)


def time_fm_forward(unet, x_1, num_ts):
    x_0, t = torch.rand_like(x_1), torch.rand(len(x_1), 1, 1, 1)
    return (unet((1 - t) * x_0 + t * x_1, t.flatten()) - (x_1 - x_0)).square().mean()
