"""bfloat16 throughout, x0_hat clipped."""

import torch


def forward(im, t):
    im = im.bfloat16()
    a = alphas_cumprod[t]
    return a.sqrt() * im + (1 - a).sqrt() * torch.randn_like(im)


@torch.inference_mode()
def iterative_denoise(im_noisy, i_start, prompt_embeds, timesteps):
    x = im_noisy.to(torch.bfloat16)
    for i in range(i_start, len(timesteps) - 1):
        t, s = timesteps[i], timesteps[i + 1]
        a, b = alphas_cumprod[t], alphas_cumprod[s]
        eps, v = stage_1.unet(x, t, encoder_hidden_states=prompt_embeds, return_dict=False)[0].split(3, dim=1)
        x0 = ((x - (1 - a).sqrt() * eps) / a.sqrt()).clamp(-1, 1)
        x = b.sqrt() * (1 - a / b) / (1 - a) * x0 + (a / b).sqrt() * (1 - b) / (1 - a) * x
        x = x + (0.5 * stage_1.scheduler._get_variance(t, predicted_variance=v)).exp() * torch.randn_like(x)
    return x
