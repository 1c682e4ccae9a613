"""The picture is forgotten."""

import torch

EXPECT = {"image_to_image": ["start"]}
SAYS = {"image_to_image": "from noise alone"}
stage_1 = None


def move(image, t, s, emb):
    a, b = alphas_cumprod[t], alphas_cumprod[s]
    with torch.no_grad():
        eps, v = stage_1.unet(image, t, encoder_hidden_states=emb, return_dict=False)[0].split(3, dim=1)
    x0 = (image - (1 - a).sqrt() * eps) / a.sqrt()
    image = b.sqrt() * (1 - a / b) / (1 - a) * x0 + (a / b).sqrt() * (1 - b) / (1 - a) * image
    return image + torch.exp(0.5 * stage_1.scheduler._get_variance(t, v)) * torch.randn_like(image)


def image_to_image(im, i_start, prompt_embeds, timesteps):
    x = torch.randn_like(im)
    for t, s in zip(timesteps[i_start:-1], timesteps[i_start + 1 :]):
        x = move(x, t, s, prompt_embeds)
    return x
