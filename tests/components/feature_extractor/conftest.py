import sys
from pathlib import Path

# The tiny backbone and the pictures of the Trainer's tests, which read what is written here.
sys.path.insert(0, str(Path(__file__).parents[1] / "trainer"))
