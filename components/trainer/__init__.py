"""Head, phases, resume and the served signatures: how a backbone becomes a classifier."""
