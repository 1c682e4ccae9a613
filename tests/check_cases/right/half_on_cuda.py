"""Everything in float16 on the GPU, as Colab's free card wants it; the schedule stays in float32."""

import torch

device = "cuda"


def forward(im, t):
    im = im.half().to(device)
    a = alphas_cumprod[t].to(device)
    return a.sqrt() * im + (1 - a).sqrt() * torch.randn_like(im)


def iterative_denoise(im_noisy, i_start, prompt_embeds, timesteps):
    image = im_noisy.half().to(device)
    prompt_embeds = prompt_embeds.half().cuda()
    with torch.no_grad():
        for i in range(i_start, len(timesteps) - 1):
            t, prev_t = timesteps[i], timesteps[i + 1]
            a_t = alphas_cumprod[t].to(device)
            a_prev = alphas_cumprod[prev_t].to(device)
            alpha = a_t / a_prev
            beta = 1 - alpha
            out = stage_1.unet(image, torch.tensor(t, device="cuda"), encoder_hidden_states=prompt_embeds, return_dict=False)[0]
            eps, var = torch.split(out, 3, dim=1)
            x_0 = (image - torch.sqrt(1 - a_t) * eps) / torch.sqrt(a_t)
            term1 = (torch.sqrt(a_prev) * beta) / (1 - a_t) * x_0
            term2 = (torch.sqrt(alpha) * (1 - a_prev)) / (1 - a_t) * image
            image = add_variance(var, t, term1 + term2)
    return image


def add_variance(var, t, image):
    variance = stage_1.scheduler._get_variance(t, predicted_variance=var)
    return image + torch.exp(0.5 * variance) * torch.randn_like(image)


def inpaint(original_image, mask, prompt_embeds, uncond_prompt_embeds, timesteps, scale=7):
    x_orig = original_image.to(device).half()
    mask = mask.to(device).half()
    image = torch.randn_like(original_image).to(device).half()
    with torch.no_grad():
        for i in range(len(timesteps) - 1):
            t, prev_t = timesteps[i], timesteps[i + 1]
            a_t, a_prev = alphas_cumprod[t].cuda(), alphas_cumprod[prev_t].cuda()
            alpha = a_t / a_prev
            beta = 1 - alpha
            cond = stage_1.unet(image, t, encoder_hidden_states=prompt_embeds.half(), return_dict=False)[0]
            uncond = stage_1.unet(image, t, encoder_hidden_states=uncond_prompt_embeds.half(), return_dict=False)[0]
            e_c, var = torch.split(cond, 3, dim=1)
            e_u, _ = torch.split(uncond, 3, dim=1)
            e = e_u + scale * (e_c - e_u)
            x_0 = (image - torch.sqrt(1 - a_t) * e) / torch.sqrt(a_t)
            image = torch.sqrt(a_prev) * beta / (1 - a_t) * x_0 + torch.sqrt(alpha) * (1 - a_prev) / (1 - a_t) * image
            image = add_variance(var, t, image)
            image = image * mask + forward(x_orig, prev_t) * (1 - mask)
    return image
