import sys
from pathlib import Path

# The tiny models and pictures are the Evaluator's tests'.
sys.path.append(str(Path(__file__).parents[1] / "evaluator"))
