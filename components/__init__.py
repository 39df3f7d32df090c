"""The TFX components: one folder each, and the pure code that they share."""
