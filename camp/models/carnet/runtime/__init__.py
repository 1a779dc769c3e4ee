"""CarNet in the compiled runtime."""

from pathlib import Path

SOURCES = Path(__file__).parent
