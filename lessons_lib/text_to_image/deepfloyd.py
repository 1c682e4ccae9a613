"""DeepFloyd IF on this machine: whether it was fetched, and how it is opened. (grows with issue 3)"""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORIES = {"IF-I-M": "DeepFloyd/IF-I-M-v1.0", "IF-I-L": "DeepFloyd/IF-I-L-v1.0", "IF-I-XL": "DeepFloyd/IF-I-XL-v1.0"}


def hub_folder(name: str) -> Path:
    """Where huggingface_hub keeps the model's files once they were fetched."""
    home = Path(os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface")) / "hub")
    return home / ("models--" + REPOSITORIES[name].replace("/", "--"))


def fetched(name: str) -> bool:
    """True if the model's files lie in the hub's cache on this machine."""
    return any((hub_folder(name) / "snapshots").glob("*/model_index.json"))
