"""`python -m pipeline`, the same as `graft`."""

from pipeline.cli import main

main(prog_name="graft")
