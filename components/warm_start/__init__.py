"""Which earlier model a training begins from."""
