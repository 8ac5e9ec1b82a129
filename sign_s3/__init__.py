"""Direct uploads to S3: signed by this service, sent by the client, attached to records."""
