"""forward() without the square roots."""

import torch

EXPECT = {"forward": ["no_sqrt"]}


def forward(im, t):
    a = alphas_cumprod[t]
    return a * im + (1 - a) * torch.randn_like(im)
