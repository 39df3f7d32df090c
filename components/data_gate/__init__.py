"""DataGate: fails the run, or warns, when the facts about the images look wrong."""
