"""Pusher: puts a blessed model where it is served from."""
