"""PostgreSQL as a server of requests needs it: one that hangs must not take the threads that sign.

base      the backend: a silent server is given up, and not asked by everybody at once
bounds    how long a statement of a request may take
times     a faster reader of times
"""
