"""How good forecasts are: the part of all jobs that are done within the interval that they were told."""
