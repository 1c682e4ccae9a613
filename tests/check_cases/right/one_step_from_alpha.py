"""One step given alpha_bar itself, not the table; noise added to zeros and summed at the end; inpainting half in float32."""

import torch


def one_step_denoise(im_noisy, noise_est, alpha_cumprod):
    return (im_noisy - torch.sqrt(1 - alpha_cumprod) * noise_est) / torch.sqrt(alpha_cumprod)


def add_variance(predicted, t, image):
    return image + torch.exp(0.5 * stage_1.scheduler._get_variance(t, predicted_variance=predicted)) * torch.randn_like(image)


def forward(im, t):
    return alphas_cumprod[t].sqrt() * im + (1 - alphas_cumprod[t]).sqrt() * torch.randn_like(im)


def predict(x, t, embeds):
    return stage_1.unet(x.half(), t, encoder_hidden_states=embeds, return_dict=False)[0].split(3, dim=1)


def iterative_denoise_cfg(im_noisy, i_start, prompt_embeds, uncond_prompt_embeds, timesteps, scale=7):
    image = im_noisy
    for i in range(i_start, len(timesteps) - 1):
        t, prev_t = timesteps[i], timesteps[i + 1]
        a, a_prev = alphas_cumprod[t], alphas_cumprod[prev_t]
        alpha, beta = a / a_prev, 1 - a / a_prev
        cond, predicted = predict(image, t, prompt_embeds)
        uncond, _ = predict(image, t, uncond_prompt_embeds)
        eps = uncond + scale * (cond - uncond)
        x0 = ((image - torch.sqrt(1 - a) * eps) / torch.sqrt(a)).clamp(-1, 1)
        v = add_variance(predicted.float(), torch.tensor([t]), torch.zeros_like(image).float())
        image = torch.sqrt(a_prev) * beta / (1 - a) * x0 + torch.sqrt(alpha) * (1 - a_prev) / (1 - a) * image + v
    return image


def inpaint(original_image, mask, prompt_embeds, uncond_prompt_embeds, timesteps, scale=7):
    image = torch.randn_like(original_image).half()
    for i in range(len(timesteps) - 1):
        t, prev_t = timesteps[i], timesteps[i + 1]
        a, a_prev = alphas_cumprod[t], alphas_cumprod[prev_t]
        alpha, beta = a / a_prev, 1 - a / a_prev
        cond, predicted = predict(image, t, prompt_embeds)
        uncond, _ = predict(image, t, uncond_prompt_embeds)
        x0 = (image - torch.sqrt(1 - a) * (uncond + scale * (cond - uncond))) / torch.sqrt(a)
        image = torch.sqrt(a_prev) * beta / (1 - a) * x0 + torch.sqrt(alpha) * (1 - a_prev) / (1 - a) * image
        image = add_variance(predicted, t, image)
        image = (forward(original_image, prev_t) * (1 - mask) + image * mask).half()
    return image.cpu().detach().numpy()
