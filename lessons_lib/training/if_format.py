"""The small model, built from nothing in the very format of DeepFloyd IF: words, text encoder, networks, and the folder they go into."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from diffusers import DDPMScheduler, IFPipeline, IFSuperResolutionPipeline, UNet2DConditionModel
from torch import Tensor, nn
from transformers import T5Config, T5EncoderModel, T5TokenizerFast

from lessons_lib.maths.schedule import Schedule
from lessons_lib.models import prompts
from lessons_lib.models.prompts import MAX_LENGTH

TEXT_WIDTH = 128


def make_tokenizer() -> T5TokenizerFast:
    """One token a word. Letters stand in for words it was never taught (a trained Unigram would prune our short list)."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -20.0)]
    pieces += [("▁" + w, -5.0 - 0.001 * i) for i, w in enumerate(prompts.vocabulary())]
    pieces += [(letter, -30.0) for letter in "▁abcdefghijklmnopqrstuvwxyz0123456789-'’"]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    special = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    return T5TokenizerFast(tokenizer_object=tokenizer, extra_ids=0, model_max_length=MAX_LENGTH, **special)


def make_text_encoder(vocab_size: int) -> T5EncoderModel:
    """Two narrow layers, 0.4 M parameters."""
    sizes = {"d_model": TEXT_WIDTH, "d_kv": 32, "d_ff": 256, "num_layers": 2, "num_heads": 4}
    return T5EncoderModel(T5Config(vocab_size=vocab_size, dropout_rate=0.0, **sizes)).eval()


def make_unet(
    channels: tuple[int, ...] = (16, 48, 96, 192),
    *,
    size: int = 64,
    groups: int = 8,
    head: int = 64,
    time_width: int = 256,
    attention_levels: int = 1,
    layers: int = 1,
    upscales: bool = False,
) -> UNet2DConditionModel:
    """IF's own blocks, few and narrow: attention only in the innermost levels.

    Args: head: channels a head of attention. time_width: of the embedding of time and prompt that every block is told; four times the
    outermost channels, the usual, is a narrow door here. upscales: stage 2, which sees the enlarged, noised picture beside xt, and
    how much noise that one carries.
    """
    n, inner = len(channels), attention_levels
    extra = {"class_embed_type": "timestep"} if upscales else {}
    return UNet2DConditionModel(
        sample_size=size,
        in_channels=6 if upscales else 3,
        out_channels=6,
        layers_per_block=layers,
        block_out_channels=channels,
        down_block_types=("DownBlock2D",) * (n - inner) + ("SimpleCrossAttnDownBlock2D",) * inner,
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D",) * inner + ("UpBlock2D",) * (n - inner),
        cross_attention_dim=channels[-1],
        encoder_hid_dim=TEXT_WIDTH,
        encoder_hid_dim_type="text_proj",
        attention_head_dim=head,
        norm_num_groups=groups,
        act_fn="gelu",
        resnet_time_scale_shift="scale_shift",
        time_embedding_dim=time_width,
        addition_embed_type="text",
        addition_embed_type_num_heads=8,
        **extra,
    )


OUTER = ("conv_in", "conv_out", "time_embedding", "add_embedding", "encoder_hid_proj", "class_embedding")
"""The parts of the UNet that are not inside its blocks: Muon leaves them to AdamW."""


def make_scheduler() -> DDPMScheduler:
    """IF's own schedule, cosine with learned variance, for a network that answers v."""
    return DDPMScheduler(
        num_train_timesteps=1000,
        beta_schedule="squaredcos_cap_v2",
        variance_type="learned_range",
        prediction_type="v_prediction",
        clip_sample=True,
    )


def variance_tables(schedule: Schedule, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(abar_t, abar_{t-1}, beta_t, posterior variance), each (T,) float32: what variance_loss() reads."""
    a = schedule.alphas_cumprod.float()
    a_prev = torch.cat([torch.ones(1), a[:-1]])
    beta = 1 - a / a_prev
    posterior = (beta * (1 - a_prev) / (1 - a)).clone()
    posterior[0] = posterior[1]
    return tuple(x.to(device) for x in (a, a_prev, beta, posterior))


def variance_loss(tables: tuple[Tensor, ...], xt: Tensor, x0: Tensor, t: Tensor, v: Tensor, var: Tensor) -> Tensor:
    """How far the learned variance is from the truth, in nats a value; the noise part takes no gradient from it.

    KL(q(x_{t-1} | xt, x0) || p(x_{t-1} | xt)) with the mean held fixed       (Nichol & Dhariwal 2021, section 3.1)

    Args: tables: variance_tables(). xt, x0, v, var (B, 3, H, W); t (B,) int; var the extra channels, v the predicted velocity.
    """
    a, a_prev, beta, posterior = (c[t].view(-1, 1, 1, 1) for c in tables)
    x0_hat = (a.sqrt() * xt - (1 - a).sqrt() * v.detach()).clamp(-1, 1)
    mean_error = a_prev.sqrt() * beta / (1 - a) * (x0 - x0_hat)
    f = (var + 1) / 2
    log_var = f * beta.log() + (1 - f) * posterior.log()
    return 0.5 * (log_var - posterior.log() + (posterior + mean_error**2) * (-log_var).exp() - 1).mean()


def save_pipeline(folder: Path, tokenizer, text_encoder: nn.Module, unet: nn.Module, *, stage: int) -> None:
    """An IFPipeline (or IFSuperResolutionPipeline) folder as from_pretrained expects it, the UNet in half precision.

    The text encoder stays in float32: transformers opens weights in the precision they lie in, diffusers in float32, and
    the two must agree for the pipeline to run as it is opened.
    """
    parts = {
        "tokenizer": tokenizer,
        "text_encoder": text_encoder,
        "unet": copy.deepcopy(unet).half(),
        "scheduler": make_scheduler(),
        "safety_checker": None,
        "feature_extractor": None,
        "watermarker": None,
        "requires_safety_checker": False,
    }
    if stage == 1:
        IFPipeline(**parts).save_pretrained(folder, safe_serialization=True)
    else:
        IFSuperResolutionPipeline(**parts, image_noising_scheduler=make_scheduler()).save_pretrained(folder)
