"""Speed and accuracy against peers and limits, both sides measured in one run."""
