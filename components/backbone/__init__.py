"""Hub modules of either format as one interface, and how to build the default one."""
