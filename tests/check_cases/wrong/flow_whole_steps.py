"""The velocity added whole."""

import torch

EXPECT = {"time_fm_sample": ["whole_steps"]}


@torch.inference_mode()
def time_fm_sample(unet, img_wh, num_ts, seed=0):
    unet.eval()
    x = torch.randn(1, 1, *img_wh)
    for i in range(num_ts):
        x = x + unet(x, torch.full((1,), i / num_ts))
    return x
