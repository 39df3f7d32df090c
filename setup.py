"""Lets Beam ship the package to its workers (`--setup_file`); all metadata is in pyproject.toml."""

from setuptools import setup

setup()
