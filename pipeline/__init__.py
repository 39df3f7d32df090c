"""Composition: typed configuration, the DAG, where it runs, the command line, the report."""
