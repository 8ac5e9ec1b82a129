"""`SigningSerializer.read`: the short cut takes what the fields take, and nothing else."""

from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ValidationError

from sign_s3.api.serializers import SigningSerializer

TEXTS = st.text(max_size=8) | st.sampled_from(["", " ", "\0", "\ud800", "image/png", "\u200f"])
NUMBERS = st.integers() | st.integers(min_value=-1, max_value=12)
ANYTHING = TEXTS | NUMBERS | st.booleans() | st.none() | st.floats() | st.lists(TEXTS, max_size=2)
BODIES = st.dictionaries(
    st.sampled_from(["mime", "path", "number", "more"]), ANYTHING, max_size=4
) | st.fixed_dictionaries({"mime": TEXTS, "path": TEXTS, "number": NUMBERS | st.booleans()})


def judged(judge, body):
    try:
        return judge(body)
    except ValidationError as exc:
        return exc.get_full_details()


def by_the_fields(body):
    serializer = SigningSerializer(data=body)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


@given(BODIES)
def test_the_short_cut_and_the_fields_agree(body):
    assert judged(SigningSerializer.read, body) == judged(by_the_fields, body)
