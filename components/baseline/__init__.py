"""Which earlier model the candidate is compared with."""
