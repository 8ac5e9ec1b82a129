"""``among``: what ``in`` is, with one parameter however many values there are.

    MediaObject.objects.filter(key__among=keys)

For a page of a feed, which asks for some hundred keys, preparing and sending a parameter for each
takes Django longer than the query takes the database. The values are texts, sent as one JSON array.
"""

import json
from collections.abc import Iterable
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField, Lookup


@CharField.register_lookup
class Among(Lookup):
    lookup_name = "among"
    rhs: Iterable[str]

    def get_prep_lookup(self) -> str:
        return json.dumps(list(self.rhs))

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper) -> Any:
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} IN ({_VALUES[connection.vendor]})", [*parameters, self.rhs]


#: By the functions of sqlite.org/json1.html, and of PostgreSQL's manual, 9.16.
_VALUES: Final = {
    "sqlite": "SELECT value FROM json_each(%s)",
    "postgresql": "SELECT json_array_elements_text(%s)",
}
