"""The endpoints: `accounts`, `sign_ins` (tokens included) and `passwords`."""
