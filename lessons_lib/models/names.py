"""Which models open on this machine, and their titles. Without torch: the sidebar and Home need only this."""

from __future__ import annotations

import os
from pathlib import Path

from lessons_lib import engine
from lessons_lib.places import CACHE

TITLES = {
    "mnist": "MNIST digits",
    "emoji": "small text-to-image",
    "IF-I-M": "DeepFloyd IF, medium",
    "IF-I-L": "DeepFloyd IF, large",
    "IF-I-XL": "DeepFloyd IF, extra large",
}
REPOSITORIES = {"IF-I-M": "DeepFloyd/IF-I-M-v1.0", "IF-I-L": "DeepFloyd/IF-I-L-v1.0", "IF-I-XL": "DeepFloyd/IF-I-XL-v1.0"}


def available() -> list[str]:
    """The names that open on this machine, without opening any: the shipped ones, and DeepFloyd where it was fetched."""
    small = ["emoji"] if (CACHE / "text_to_image" / "stage1" / "model_index.json").exists() else []
    elsewhere = bool(engine.wanted() and os.environ.get("DEEPFLOYD_EMBEDDINGS"))  # a node of the cluster has a GPU and the files
    return [*small, "mnist", *(n for n in REPOSITORIES if elsewhere or fetched(n))]


def weights(name: str) -> list[Path]:
    """The weight files of a model that ships; none for one that was fetched, whose gigabytes the hub has checked."""
    if name == "mnist":
        return sorted((CACHE / "mnist" / "class_conditioned").glob("*.safetensors"))[-1:]  # its last epoch
    if name == "emoji":
        folder = CACHE / "text_to_image"
        return [
            p for part in ("stage1/unet", "stage1/text_encoder", "stage2/unet") for p in (folder / part).glob("*.safetensors")
        ]
    return []


def hub_folder(name: str) -> Path:
    """Where huggingface_hub keeps the model's files once they were fetched."""
    home = Path(os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface")) / "hub")
    return home / ("models--" + REPOSITORIES[name].replace("/", "--"))


def fetched(name: str) -> bool:
    """True if the model's files lie in the hub's cache on this machine."""
    return any((hub_folder(name) / "snapshots").glob("*/model_index.json"))
