"""The small model, built from nothing in the very format of DeepFloyd IF: words, text encoder, the two UNets."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import DDPMScheduler, IFPipeline, IFSuperResolutionPipeline, UNet2DConditionModel
from torch import Tensor, nn
from transformers import T5Config, T5EncoderModel, T5TokenizerFast

from lessons_lib.schedule import Schedule
from lessons_lib.text_to_image.data import vocabulary

MAX_LENGTH = 77  # what IFPipeline pads every prompt to; no mask reaches its UNet, so padding is part of the prompt
TEXT_WIDTH = 128


def make_tokenizer() -> T5TokenizerFast:
    """One token a word. Letters stand in for words it was never taught (a trained Unigram would prune our short list)."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    words = vocabulary()
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -20.0)]
    pieces += [("▁" + w, -5.0 - 0.001 * i) for i, w in enumerate(words)]
    pieces += [(ch, -30.0) for ch in "▁abcdefghijklmnopqrstuvwxyz0123456789-'’"]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return T5TokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", extra_ids=0,
        model_max_length=MAX_LENGTH,
    )  # fmt: skip


def make_text_encoder(vocab_size: int) -> T5EncoderModel:
    return T5EncoderModel(
        T5Config(vocab_size=vocab_size, d_model=TEXT_WIDTH, d_kv=32, d_ff=256, num_layers=2, num_heads=4, dropout_rate=0.0)
    ).eval()


def make_stage1() -> UNet2DConditionModel:
    """IF's own blocks, few and narrow: 32x32, attention only at 8x8."""
    return UNet2DConditionModel(
        sample_size=32, in_channels=3, out_channels=6, layers_per_block=1, block_out_channels=(32, 64, 192),
        down_block_types=("DownBlock2D", "DownBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        cross_attention_dim=192, encoder_hid_dim=TEXT_WIDTH, encoder_hid_dim_type="text_proj", attention_head_dim=64,
        norm_num_groups=16, act_fn="gelu", resnet_time_scale_shift="scale_shift",
        addition_embed_type="text", addition_embed_type_num_heads=8,
    )  # fmt: skip


def make_stage2() -> UNet2DConditionModel:
    """32 to 64: sees the enlarged, slightly noised picture beside xt, and how much noise that one carries."""
    return UNet2DConditionModel(
        sample_size=64, in_channels=6, out_channels=6, layers_per_block=1, block_out_channels=(32, 48, 96),
        down_block_types=("DownBlock2D", "DownBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        cross_attention_dim=96, encoder_hid_dim=TEXT_WIDTH, encoder_hid_dim_type="text_proj", attention_head_dim=48,
        norm_num_groups=16, act_fn="gelu", resnet_time_scale_shift="scale_shift",
        addition_embed_type="text", addition_embed_type_num_heads=8, class_embed_type="timestep",
    )  # fmt: skip


def make_scheduler() -> DDPMScheduler:
    return DDPMScheduler(
        num_train_timesteps=1000, beta_schedule="squaredcos_cap_v2", variance_type="learned_range",
        prediction_type="v_prediction", clip_sample=True,
    )  # fmt: skip


def encode(tokenizer: T5TokenizerFast, text_encoder: T5EncoderModel, prompts: list[str]) -> Tensor:
    """(B, 77, 128): the prompts exactly as IFPipeline encodes them."""
    text = [p.lower().strip() for p in prompts]
    tokens = tokenizer(text, padding="max_length", max_length=MAX_LENGTH, truncation=True, return_tensors="pt")
    return text_encoder(tokens.input_ids, attention_mask=tokens.attention_mask)[0]


def variance_loss(schedule: Schedule, xt: Tensor, x0: Tensor, t: Tensor, v: Tensor, var: Tensor) -> Tensor:
    """How far the learned variance is from the truth, in nats a value; the noise part takes no gradient from it.

    KL(q(x_{t-1} | xt, x0) || p(x_{t-1} | xt)) with the mean held fixed       (Nichol & Dhariwal 2021, section 3.1)

    Args: xt, x0, v, var (B, 3, H, W); t (B,) int; var the extra channels, v the predicted velocity.
    """
    a = schedule.alphas_cumprod.float()
    a_prev = torch.cat([torch.ones(1), a[:-1]])
    beta = 1 - a / a_prev
    posterior = (beta * (1 - a_prev) / (1 - a)).clone()
    posterior[0] = posterior[1]
    at, ap, bt, pt = (c[t].view(-1, 1, 1, 1) for c in (a, a_prev, beta, posterior))
    x0_hat = (at.sqrt() * xt - (1 - at).sqrt() * v.detach()).clamp(-1, 1)
    mean_error = ap.sqrt() * bt / (1 - at) * (x0 - x0_hat)
    f = (var + 1) / 2
    log_var = f * bt.log() + (1 - f) * pt.log()
    return 0.5 * (log_var - pt.log() + (pt + mean_error**2) * (-log_var).exp() - 1).mean()


def save_pipeline(folder: Path, tokenizer, text_encoder: nn.Module, unet: nn.Module, *, stage: int) -> None:
    """An IFPipeline (or IFSuperResolutionPipeline) folder as from_pretrained expects it, the UNet in half precision.

    The text encoder stays in float32: transformers opens weights in the precision they lie in, diffusers in float32, and
    the two must agree for the pipeline to run as it is opened.
    """
    import copy

    parts = {
        "tokenizer": tokenizer, "text_encoder": text_encoder, "unet": copy.deepcopy(unet).half(),
        "scheduler": make_scheduler(), "safety_checker": None, "feature_extractor": None, "watermarker": None,
        "requires_safety_checker": False,
    }  # fmt: skip
    if stage == 1:
        IFPipeline(**parts).save_pretrained(folder, safe_serialization=True)
    else:
        IFSuperResolutionPipeline(**parts, image_noising_scheduler=make_scheduler()).save_pretrained(folder)
