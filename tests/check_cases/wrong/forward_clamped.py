"""The noisy picture clamped, as if it were to be shown."""

import torch

EXPECT = {"forward": ["clamped_input"]}


def forward(im, t):
    a = alphas_cumprod[t]
    noisy = torch.sqrt(a) * im + torch.sqrt(1 - a) * torch.randn_like(im)
    return torch.clamp(noisy, min=-1.0, max=1.0)
