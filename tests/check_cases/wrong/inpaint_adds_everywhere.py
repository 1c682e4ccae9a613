"""The original is added inside the mask too."""

import torch

EXPECT = {"inpaint": ["paste_everywhere"]}
stage_1 = None


def inpaint(original_image, mask, prompt_embeds, uncond_prompt_embeds, timesteps, scale=7):
    x = torch.randn_like(original_image)
    for t, s in zip(timesteps[:-1], timesteps[1:]):
        a, b = alphas_cumprod[t], alphas_cumprod[s]
        with torch.no_grad():
            c, v = stage_1.unet(x, t, encoder_hidden_states=prompt_embeds, return_dict=False)[0].split(3, dim=1)
            u, _ = stage_1.unet(x, t, encoder_hidden_states=uncond_prompt_embeds, return_dict=False)[0].split(3, dim=1)
        eps = u + scale * (c - u)
        x0 = (x - (1 - a).sqrt() * eps) / a.sqrt()
        x = b.sqrt() * (1 - a / b) / (1 - a) * x0 + (a / b).sqrt() * (1 - b) / (1 - a) * x
        x = x + torch.exp(0.5 * stage_1.scheduler._get_variance(t, v)) * torch.randn_like(x)
        x = mask * x + (b.sqrt() * original_image + (1 - b).sqrt() * torch.randn_like(x))
    return x
