"""Codes that people copy: read whatever hand wrote them, and nothing else is taken for one."""

from hypothesis import given
from hypothesis import strategies as st

from domain.codes import code_of, read_code

sizes = st.sampled_from((10, 15))


@given(sizes.flatmap(lambda size: st.tuples(*[st.binary(min_size=size, max_size=size)] * 2)))
def test_a_code_is_read_however_it_is_written(both: tuple[bytes, bytes]) -> None:
    one, other = both
    code = code_of(one)
    read = read_code(code, len(one))
    assert read == code.replace("-", "")
    by_hand = code.lower().replace("-", " ").replace("1", "l").replace("0", "o")
    assert read_code(by_hand, len(one)) == read
    assert (code_of(other) == code) == (one == other)
    assert read_code(code, len(one) + 5) == ""


@given(st.text(max_size=80), sizes)
def test_another_text_is_no_code(text: str, size: int) -> None:
    assert len(read_code(text, size)) in (0, size * 8 // 5)


def test_it_has_groups_of_four() -> None:
    assert code_of(bytes(10)) == "0000-0000-0000-0000"
    assert len(code_of(bytes(15))) == 29
