"""What users would write instead, the way their guides tell them to, for the same job."""
