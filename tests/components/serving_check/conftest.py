import sys
from pathlib import Path

# The tiny models and pictures are the Evaluator's tests', the tiny backbone the Trainer's.
for name in ("evaluator", "trainer"):
    sys.path.append(str(Path(__file__).parents[1] / name))
