"""The project: what holds for every request, whichever app answers it.

    settings       every setting, read from the environment once
    urls           every address; start reading here
    middleware     CORS, headers, and Django's own middleware for the admin alone
    exceptions     every error as JSON of one shape
    schema         what the OpenAPI document says beyond the views
    documentation  that document and its page, loaded when they are asked for
    health         /healthz and /readyz
    logging        JSON lines without secrets
    checks         settings that are wrong for production
    connections    what becomes of database connections between requests
    wsgi           what the server loads

It alone knows every app; no app knows it.
"""
