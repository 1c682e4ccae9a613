"""A mask that is never used."""

import torch

EXPECT = {"inpaint": ["paste_nothing"]}


def forward(im, t):
    return alphas_cumprod[t].sqrt() * im + (1 - alphas_cumprod[t]).sqrt() * torch.randn_like(im)


@torch.no_grad()
def inpaint(original_image, mask, prompt_embeds, uncond_prompt_embeds, timesteps, scale=7):
    image = torch.randn_like(original_image)
    for i in range(len(timesteps) - 1):
        t, prev_t = timesteps[i], timesteps[i + 1]
        a, b = alphas_cumprod[t], alphas_cumprod[prev_t]
        eps_c, v = stage_1.unet(image, t, encoder_hidden_states=prompt_embeds, return_dict=False)[0].split(3, dim=1)
        eps_u, _ = stage_1.unet(image, t, encoder_hidden_states=uncond_prompt_embeds, return_dict=False)[0].split(3, dim=1)
        eps = eps_u + scale * (eps_c - eps_u)
        x0 = (image - (1 - a).sqrt() * eps) / a.sqrt()
        image = b.sqrt() * (1 - a / b) / (1 - a) * x0 + (a / b).sqrt() * (1 - b) / (1 - a) * image
        image = image + torch.exp(0.5 * stage_1.scheduler._get_variance(t, v)) * torch.randn_like(image)
        image = image.clone()
    return image
