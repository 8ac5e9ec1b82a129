"""What runs the service on one machine: the embedded S3, the demo and the tests' environment."""
