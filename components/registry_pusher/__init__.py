"""RegistryPusher: enters a pushed model, with where it comes from, into a model registry."""
