"""Statistics over the facts, by TFX, without those that are of a single picture."""
