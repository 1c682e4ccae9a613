"""The velocity from the picture to the noise."""

import torch
from torch.nn import functional as F

EXPECT = {"class_fm_forward": ["flow_target_backwards"]}


def class_fm_forward(unet, x_1, c, p_uncond, num_ts):
    x_0, t = torch.randn_like(x_1), torch.rand(len(x_1))
    s = t.view(-1, 1, 1, 1)
    mask = (torch.rand(len(x_1)) > p_uncond).float()
    return F.mse_loss(unet((1 - s) * x_0 + s * x_1, c, t, mask), x_0 - x_1)
