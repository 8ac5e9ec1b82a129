"""The service as it runs: Granian, a store that enforces policies, real forms over HTTP.

    conftest           the fixtures: an S3, the service beside it, a client
    live, databases    the service under test, and a database of its own
    outcomes           what came of a request

    test_policy        what S3 makes of our forms, changed and unchanged (A4)
    test_signed_urls   and of our signed URLs
    test_multipart     uploads in parts, whole and misused (A15)
    test_whole_job     upload, post, read, delete, roll back
    test_run           `make run`, from nothing and interrupted
    test_embedded_s3   the embedded S3 across stops and crashes
    faults/            S3 that fails, processes that are killed, requests that race (S, L and F)
    security/          somebody who means harm (A)
    uppy/              Uppy as npm has it, and a page that uploads with it

The letters are those of docs/safety.md. ``--s3=ceph`` runs them on Ceph's radosgw.
"""
