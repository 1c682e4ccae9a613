"""In which precision networks compute: bfloat16 where the processor or GPU has it, else float32.

It halves the time of whole batches; a single small picture gains little. Weights, schedules and walks stay in float32 or float64:
only convolutions and matrix products are rounded, to three digits. What Batched asks computes so; the judge, the Bug lab and
the one-step denoiser, which are asked directly, compute in float32.
"""

from __future__ import annotations

import torch


def autocast_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device computes in it, else float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    if device.type == "cpu" and torch.cpu._is_avx512_bf16_supported():
        return torch.bfloat16
    return torch.float32


def autocast(device: str | torch.device = "cpu") -> torch.autocast:
    """A context in which networks compute in autocast_dtype(device)."""
    device = torch.device(device)
    dtype = autocast_dtype(device)
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)
