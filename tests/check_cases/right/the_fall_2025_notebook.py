"""Half precision in some places only, tensors of timesteps, the schedule from the pipeline, masks as integers."""

import torch


def forward(im, t):
    abar = stage_1.scheduler.alphas_cumprod[t].to(im.device)
    eps = torch.empty_like(im).normal_()
    return (torch.sqrt(abar) * im + torch.sqrt(1 - abar) * eps).half()


def iterative_denoise(im_noisy, i_start, prompt_embeds, timesteps, display=False):
    image = im_noisy.half()
    for i, t in enumerate(torch.tensor(timesteps)[i_start:-1], start=i_start):
        prev_t = timesteps[i + 1]
        abar, abar_prev = (stage_1.scheduler.alphas_cumprod[int(k)] for k in (t, prev_t))
        alpha, beta = abar / abar_prev, 1 - abar / abar_prev
        with torch.no_grad():
            out = stage_1.unet(image, t, encoder_hidden_states=prompt_embeds.half(), return_dict=False)[0]
        eps, var = torch.split(out.float(), 3, dim=1)
        x0 = (image.float() - torch.sqrt(1 - abar) * eps) / torch.sqrt(abar)
        x0 = torch.clamp(x0, -1, 1)
        mean = torch.sqrt(abar_prev) * beta / (1 - abar) * x0 + torch.sqrt(alpha) * (1 - abar_prev) / (1 - abar) * image.float()
        std = torch.exp(stage_1.scheduler._get_variance(t, predicted_variance=var) * 0.5)
        image = (mean + std * torch.randn_like(mean)).half()
    return image


def inpaint(original_image, mask, prompt_embeds, uncond_prompt_embeds, timesteps, scale=7, display=True):
    image = torch.randn_like(original_image).half()
    keep = (1 - mask).int()
    for i in range(len(timesteps) - 1):
        t, prev_t = timesteps[i], timesteps[i + 1]
        abar, abar_prev = (stage_1.scheduler.alphas_cumprod[k] for k in (t, prev_t))
        alpha, beta = abar / abar_prev, 1 - abar / abar_prev
        cond, var = stage_1.unet(image, t, encoder_hidden_states=prompt_embeds.half(), return_dict=False)[0].split(3, dim=1)
        uncond, _ = stage_1.unet(image, t, encoder_hidden_states=uncond_prompt_embeds.half(), return_dict=False)[0].split(
            3, dim=1
        )
        eps = uncond + scale * (cond - uncond)
        x0 = (image - torch.sqrt(1 - abar) * eps) / torch.sqrt(abar)
        image = torch.sqrt(abar_prev) * beta / (1 - abar) * x0 + torch.sqrt(alpha) * (1 - abar_prev) / (1 - abar) * image
        if prev_t > 0:
            image = image + torch.exp(0.5 * stage_1.scheduler._get_variance(t, var)) * torch.randn_like(image)
        image = image * mask.half() + forward(original_image, prev_t) * keep
    return image
