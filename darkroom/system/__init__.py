"""What `darkroom up` runs: Kafka, the stream processes and the GPU consumers on one machine, kept alive."""
