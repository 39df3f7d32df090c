"""Images from folders, manifests, TFRecords or packages: as Examples, in splits, each checked."""
