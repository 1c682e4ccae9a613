"""rand_like for randn_like."""

import torch

EXPECT = {"forward": ["uniform"]}


def forward(im, t):
    a = alphas_cumprod[t]
    return a.sqrt() * im + (1 - a).sqrt() * torch.rand_like(im)
