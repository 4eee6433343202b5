"""One tenant sends far more than can be run, a million jobs by default; others go on as before."""
