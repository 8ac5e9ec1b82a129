"""One machine from nothing: what `make run` starts, and what the tests and measurements share.

    run               `make run`: S3, service and demo user; `session` prints what to do with them
    s3                the embedded S3, and `probe`, which shows that it checks what it is sent
    ceph              Ceph's radosgw, an S3 that shares no code with the embedded one
    store             what the service has to know of either
    service           the service as processes; `prepare` makes what must be there before it starts
    processes         children that do not outlive their parent
    pictures          files to upload
    audit             `make audit`
    test_environment  the tests' environment, a pytest plugin
    outside           what tests do where PostgreSQL, Redis, Ceph or a browser is missing; another

Nothing in the service imports from here.
"""
