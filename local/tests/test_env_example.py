import ast
import re
from collections.abc import Iterator

from local.service import BASE_DIR


def read_by_settings() -> Iterator[str]:
    """The names in ``env.str("NAME", …)``, ``env.db("NAME", …)`` and so on."""
    for node in ast.walk(ast.parse((BASE_DIR / "config/settings.py").read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("env."):
            name = node.args[0]
            assert isinstance(name, ast.Constant)
            assert isinstance(name.value, str)
            yield name.value


def test_every_setting_is_in_the_example_once_and_nothing_else_is() -> None:
    text = (BASE_DIR / ".env.example").read_text()
    documented = re.findall(r"^#?([A-Z][A-Z0-9_]+)=", text, re.MULTILINE)
    assert sorted(documented) == sorted(set(read_by_settings()))
