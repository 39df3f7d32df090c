"""`graft serve`: the page on which a model can be tried."""
