"""The harness is shared with benchmarks/hostile.py, which finds it by the same path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
