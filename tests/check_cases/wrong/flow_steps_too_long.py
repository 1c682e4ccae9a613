"""Steps of 1 / (n - 1); the mean absolute difference."""

import torch

EXPECT = {"time_fm_sample": ["step_too_long"], "time_fm_forward": ["loss"]}
SAYS = {"time_fm_forward": "mean absolute difference"}


def time_fm_sample(unet, img_wh, num_ts=50):
    unet.eval()
    x = torch.randn(3, 1, *img_wh)
    for i in range(num_ts):
        x = x + unet(x, torch.full((3,), i / num_ts)) / (num_ts - 1)
    return x


def time_fm_forward(unet, x_1, num_ts):
    t = torch.rand(len(x_1), 1, 1, 1)
    x_0 = torch.randn_like(x_1)
    return (unet((1 - t) * x_0 + t * x_1, t) - (x_1 - x_0)).abs().mean()
