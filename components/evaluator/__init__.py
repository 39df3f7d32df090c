"""Evaluator: what the model gets right on the test split, and whether it is blessed."""
