"""Feature vectors of a frozen backbone, once instead of once an epoch."""
