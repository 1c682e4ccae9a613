"""Where things lie. Everything that ships or is made stands below the project's folder."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / "cache"
RUNS = CACHE / "runs" / "mnist"  # trainings of the page Train, a folder each
OWN = CACHE / "runs" / "own"  # networks that people gave, a folder each
