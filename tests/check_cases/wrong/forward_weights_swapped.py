"""The two roots change places."""

import torch

EXPECT = {"forward": ["weights_swapped"]}


def forward(im, t):
    a = alphas_cumprod[t]
    return torch.sqrt(1 - a) * im + torch.sqrt(a) * torch.randn_like(im)
