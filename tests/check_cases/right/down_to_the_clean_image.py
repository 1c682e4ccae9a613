"""One move more than the course: from t = 0 to the clean image, where alpha_bar is 1. timesteps as a tensor."""

import torch


def iterative_denoise(im_noisy, i_start, prompt_embeds, timesteps):
    timesteps = torch.as_tensor(timesteps)
    image = im_noisy
    for i in range(i_start, len(timesteps)):
        t = timesteps[i]
        a = alphas_cumprod[t]
        a_prev = alphas_cumprod[timesteps[i + 1]] if i + 1 < len(timesteps) else torch.tensor(1.0)
        out = stage_1.unet(image, t, encoder_hidden_states=prompt_embeds, return_dict=False)[0]
        eps, v = torch.split(out, 3, dim=1)
        x0 = (image - torch.sqrt(1 - a) * eps) / torch.sqrt(a)
        alpha = a / a_prev
        image = torch.sqrt(a_prev) * (1 - alpha) / (1 - a) * x0 + torch.sqrt(alpha) * (1 - a_prev) / (1 - a) * image
        if i + 1 < len(timesteps):
            image = image + torch.exp(0.5 * stage_1.scheduler._get_variance(t, v)) * torch.randn_like(image)
    return image
