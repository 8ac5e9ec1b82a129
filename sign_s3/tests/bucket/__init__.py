"""`sign_s3.bucket`: on moto in process, and against servers that fail as real ones do."""
