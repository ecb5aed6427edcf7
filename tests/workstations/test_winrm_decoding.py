"""What a Windows program printed becomes text: UTF-8, else GBK, else the workstation's code page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workstations.winrm.decoding import Decoded, decoded


@given(st.text())
def test_utf_8_is_read_as_such(text: str) -> None:
    if not text.startswith("\ufeff"):
        assert decoded(text.encode(), "cp1258") == Decoded(text, "utf-8", False)


@pytest.mark.parametrize("text", ["雷电模拟器", "0,雷电模拟器-1,0", "中文,游戏"])
def test_gbk_is_what_ldplayer_prints(text: str) -> None:
    assert decoded(text.encode("gbk"), "") == Decoded(text, "gbk", False)


def test_a_code_page_is_tried_where_neither_fits() -> None:
    raw = "café\xe9\x81".encode("latin-1") + b"\xff\x20"
    with pytest.raises(UnicodeDecodeError):
        raw.decode("gbk")
    assert decoded(raw, "latin-1") == Decoded(raw.decode("latin-1"), "latin-1", False)


def test_what_nothing_fits_is_marked_as_damaged() -> None:
    raw = b"0,\xff\xff\x81,1"
    found = decoded(raw, "")
    assert found.damaged
    assert "\ufffd" in found.text
    assert found.text.startswith("0,")
    assert decoded(raw, "ascii").damaged


def _takes(encoding: str, raw: bytes) -> bool:
    try:
        raw.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


@given(
    st.binary() | st.text().map(lambda text: text.encode("gbk", "ignore")),
    st.sampled_from(["", "cp1258", "ascii"]),
)
def test_any_bytes_become_text_and_damage_is_told_of(raw: bytes, code_page: str) -> None:
    codecs = ["utf-8", "gbk", *([code_page] if code_page else [])]
    found = decoded(raw, code_page)
    assert found.damaged == (not any(_takes(codec, raw) for codec in codecs))
    if not found.damaged:
        assert found.encoding == next(codec for codec in codecs if _takes(codec, raw))


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert decoded(b"\xef\xbb\xbf{}", "") == Decoded("{}", "utf-8", False)


def test_a_code_page_that_is_none_is_told() -> None:
    with pytest.raises(LookupError):
        decoded(b"\xff\xff", "cp-none")
