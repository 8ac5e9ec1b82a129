"""Uppy Companion's protocol, on an S3 in process; e2e/test_multipart.py has the real ones."""
