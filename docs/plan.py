"""Write docs/lesson_plan.md anew, from the catalogue and the questions.

python docs/plan.py
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from lessons_lib.plan import plan  # noqa: E402

if __name__ == "__main__":
    (ROOT / "docs" / "lesson_plan.md").write_text(plan(), encoding="utf-8")
