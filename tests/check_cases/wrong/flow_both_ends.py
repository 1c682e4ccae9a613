"""linspace with both ends."""

import torch

EXPECT = {"time_fm_sample": ["times_to_the_end"]}


@torch.inference_mode()
def time_fm_sample(unet, img_wh, num_ts, seed=0):
    unet.eval()
    x = torch.randn(10, 1, *img_wh)
    for t in torch.linspace(0, 1, num_ts):
        x = x + unet(x, t.expand(10)) / num_ts
    return x
