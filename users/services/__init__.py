"""What can happen to an account: `accounts`, `sign_ins`, `passwords`, people of `outside` issuers.

Whoever changes more than one row of an account locks the account's row first, so that two changes
of one account wait for each other and never deadlock.
"""
