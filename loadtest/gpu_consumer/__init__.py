"""What a job costs a GPU consumer."""
