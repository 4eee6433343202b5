"""GPU consumers: take batches from Kafka, run them in an engine process, store the pictures, say what became of each job."""
