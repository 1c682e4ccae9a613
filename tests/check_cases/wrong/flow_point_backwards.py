"""x_t from the picture to the noise."""

import torch
from torch.nn import functional as F

EXPECT = {"time_fm_forward": ["flow_point_backwards"]}


def time_fm_forward(unet, x_1, num_ts):
    x_0, t = torch.randn_like(x_1), torch.rand(len(x_1), 1)
    s = t[:, :, None, None]
    return F.mse_loss(unet(s * x_0 + (1 - s) * x_1, t), x_1 - x_0)
