"""The picture for the velocity."""

import torch
from torch.nn import functional as F

EXPECT = {"time_fm_forward": ["flow_target_picture"]}


def time_fm_forward(unet, x_1, num_ts):
    x_0, t = torch.randn_like(x_1), torch.rand(len(x_1))
    s = t.view(-1, 1, 1, 1)
    return F.mse_loss(unet((1 - s) * x_0 + s * x_1, t), x_1)
