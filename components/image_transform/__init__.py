"""Vocabulary, serving preprocessing, augmentation graph and bounded training pictures."""
