"""alpha_bar in float16, and a walk down to t = 0, where it is 1."""

import torch

EXPECT = {"iterative_denoise": ["not_finite"]}


@torch.no_grad()
def iterative_denoise(im_noisy, i_start, prompt_embeds, timesteps):
    x = im_noisy.half()
    abar = torch.cat([alphas_cumprod.half(), torch.ones(1).half()])
    steps = [*timesteps[i_start:], -1]
    for t, s in zip(steps, steps[1:]):
        a, b = abar[t], abar[s]
        eps = stage_1.unet(x, t, encoder_hidden_states=prompt_embeds, return_dict=False)[0][:, :3]
        x0 = (x - (1 - a).sqrt() * eps) / a.sqrt()
        x = b.sqrt() * (1 - a / b) / (1 - a) * x0 + (a / b).sqrt() * (1 - b) / (1 - a) * x
        if s > 0:
            x = x + (1 - a / b).sqrt() * torch.randn_like(x)
    return x
