"""Faust per event, Faust with chunks and bare aiokafka side by side, on one machine in one run."""
