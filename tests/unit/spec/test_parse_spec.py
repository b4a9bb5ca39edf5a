from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_edgedevice.errors import SpecError
from pytest_edgedevice.spec import BUILT_IN, DeviceSpec, parse_spec

ADDRESSED = [
    "adb:R5CT10ABC",
    "adb:192.168.1.5:5555",
    "adb:emulator-5554",
    "ios:00008030-001A2D3E4F50002E",
    "ssh:kitchen",
    "ssh:pi@kitchen",
    "ssh:pi@kitchen:2222",
    "ssh:10.0.0.7:22",
    "ssh:[::1]",
    "ssh:pi@[fe80::1%eth0]:2222",
    "ssh:DOMAIN\\ada@lab",
    "ssh:ada@corp@lab",
]


@pytest.mark.parametrize("text", ["local", "adb", "ssh", "ios"])
def test_a_bare_kind_is_that_kind(text: str) -> None:
    spec = parse_spec(text)
    assert (spec.kind, spec.address, spec.is_pool) == (text, "", text != "local")


@pytest.mark.parametrize("text", [*ADDRESSED, "local", "adb", "linux and cores>=2", "(adb)", "not local"])
def test_a_spec_reads_back_from_its_text(text: str) -> None:
    spec = parse_spec(text)
    assert str(spec) == text
    assert parse_spec(str(spec)) == spec


@pytest.mark.parametrize("text", ADDRESSED)
def test_an_address_is_kept_as_written(text: str) -> None:
    spec = parse_spec(text)
    assert spec.address == text.partition(":")[2]
    assert not spec.is_pool


def test_an_ssh_address_comes_in_parts() -> None:
    spec = parse_spec("ssh:pi@[fe80::1%eth0]:0022")
    assert (spec.user, spec.host, spec.port) == ("pi", "fe80::1%eth0", 22)
    assert spec.address == "pi@[fe80::1%eth0]:22"


def test_a_host_without_port_leaves_it_to_ssh() -> None:
    assert parse_spec("ssh:kitchen").port is None


def test_a_name_from_the_inventory_is_a_name() -> None:
    spec = parse_spec(" kitchen ", names=("kitchen",))
    assert spec == DeviceSpec("named", name="kitchen")
    assert str(spec) == "kitchen"


def test_brackets_turn_a_kind_into_a_fact() -> None:
    spec = parse_spec("(adb)")
    assert spec.kind == "expression"
    assert spec.expression is not None
    assert spec.expression.matches({"adb": True})


def test_repr_shows_the_text() -> None:
    assert repr(parse_spec("ssh:pi@kitchen")) == "DeviceSpec('ssh:pi@kitchen')"
    assert repr(parse_spec("linux  and  gpu")) == "DeviceSpec('linux and gpu')"


def test_specs_travel_between_processes() -> None:
    spec = parse_spec("linux and not (arch==arm64 or cores>=4)")
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert hash(spec) == hash(parse_spec(str(spec)))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty"),
        (" \t\n", "empty"),
        ("local:", "takes no address"),
        ("local:x", "takes no address"),
        ("adb:", "is empty"),
        ("ios:", "is empty"),
        ("ssh:", "is empty"),
        ("usb:1-1", "'usb' is no kind"),
        (":x", "'' is no kind"),
        ("adb:-s", "starts with a dash"),
        ("adb:a b", "character ' '"),
        ("adb:a\n", r"character '\\n'"),
        ("adb:a\x1b[31m", r"character '\\x1b'"),
        ("ios:a\u202eb", "not allowed"),
        ("adb:" + "a" * 256, "256 characters"),
        ("ssh:-oProxyCommand=x", "starts with a dash"),
        ("ssh:-l@host", "the user '-l' starts with a dash"),
        ("ssh:pi@-host", "starts with a dash"),
        ("ssh:@host", "the user is empty"),
        ("ssh:pi@", "the host is empty"),
        ("ssh:pi@:22", "the host is empty"),
        ("ssh:host:", "the port '' is no whole number"),
        ("ssh:host:0", "the port '0'"),
        ("ssh:host:65536", "the port '65536'"),
        ("ssh:host:22x", "the port '22x'"),
        ("ssh:host:²", "the port"),
        ("ssh:host:+22", "the port"),
        ("ssh:host:" + "9" * 200, "the port"),
        ("ssh:::1", "more than one colon"),
        ("ssh:[::1", "is not \\[IPv6\\]"),
        ("ssh:[::1]22", "is not \\[IPv6\\]"),
        ("ssh:[]", "no IPv6 address"),
        ("ssh:[kitchen]", "no IPv6 address"),
        ("ssh:[::1%$(x)]", "not allowed"),
        ("ssh: host", "character ' '"),
        ("ssh:ho st", "character ' '"),
        ("ssh:ho\x00st", "not allowed"),
        ("ssh:host;reboot", "character ';'"),
        ("ssh:$(reboot)", "not allowed"),
        ("ssh:pi`x`@host", "not allowed"),
        ("ssh:pi:secret@host", "character ':'"),
        ("ssh:%h", "character '%'"),
        ("ssh:host/../x", "character '/'"),
        ("kitchn", "neither a kind of device"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(text: str, complaint: str) -> None:
    with pytest.raises(SpecError, match=complaint):
        parse_spec(text, names=("kitchen",))


def test_kinds_can_be_left_out() -> None:
    with pytest.raises(SpecError, match="'adb' is no kind of device"):
        parse_spec("adb:X", kinds=("local",))


def test_a_misspelt_name_names_the_closest_first() -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec("kitchn", names=("hall", "kitchen"))
    assert caught.value.hint.startswith("known words, closest first: kitchen,")


def test_a_name_within_an_expression_says_how_to_write_it() -> None:
    with pytest.raises(SpecError, match="name==kitchen"):
        parse_spec("local or kitchen", names=("kitchen",))


def test_an_unknown_fact_beside_a_name_keeps_its_hint() -> None:
    with pytest.raises(SpecError, match="closest first: sdk,"):
        parse_spec("sdkk>3 and gpu", names=("kitchen",))


def test_every_fact_has_a_sentence_and_an_example_that_parses() -> None:
    for fact in BUILT_IN.values():
        assert fact.sentence.endswith(".")
        spec = parse_spec(f"({fact.example})")
        assert spec.expression is not None
        assert fact.name in spec.expression.facts_used


@given(st.text(max_size=80))
def test_any_text_gives_a_spec_that_reads_back_or_a_spec_error(text: str) -> None:
    try:
        spec = parse_spec(text)
    except SpecError:
        return
    assert parse_spec(str(spec)) == spec


@given(st.text(alphabet="@[]:%-ab1. \\", max_size=30))
def test_any_ssh_address_reads_back_or_is_refused(address: str) -> None:
    try:
        spec = parse_spec(f"ssh:{address}")
    except SpecError:
        return
    assert spec.host
    assert not spec.host.startswith("-")
    assert not spec.user.startswith("-")
    assert parse_spec(str(spec)) == spec


@pytest.mark.parametrize(
    "written", ["00008030001A2D3E4F50002E", "00008030-001a2d3e4f50002e", "00008030001a2d3e4f50002e"]
)
def test_an_iphones_number_is_read_in_every_spelling(written: str) -> None:
    assert parse_spec(f"ios:{written}") == parse_spec("ios:00008030-001A2D3E4F50002E")


def test_an_older_iphones_number_is_in_small_letters() -> None:
    assert str(parse_spec("ios:" + "A1" * 20)) == "ios:" + "a1" * 20
