"""ServingCheck: the exported model, loaded as a server would, answers as it was evaluated."""
