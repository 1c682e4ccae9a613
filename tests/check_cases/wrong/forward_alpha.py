"""forward() with the scheduler's alphas, not its alphas_cumprod."""

import torch

EXPECT = {"forward": ["alpha_for_alpha_bar"]}


def forward(im, t):
    alpha = stage_1.scheduler.alphas[t]
    return torch.sqrt(alpha) * im + torch.sqrt(1 - alpha) * torch.randn_like(im)
