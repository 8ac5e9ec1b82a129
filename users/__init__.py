"""Accounts with a profile image, and how their owners prove who they are.

    urls, views/     /users/ and /auth/
    serializers      accounts, sign-ins and tokens on the wire; `throttling` their rate limits
    services/        what can happen to an account
    models           User ── SignIn, OutsideIdentity
    authentication   the bearer token of every request; for signing without the database
    tokens           our own tokens
    issuers          other issuers' tokens, with the keys of `keysets`

A short access token is verified without a query; the row of its sign-in is what can be ended.
"""
