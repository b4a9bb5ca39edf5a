"""Which devices can be named: the device file's, and those that other plugins contribute.

Read once, and only in runs with device tests. What cannot be understood is told
once, before the first test. Imports no arrays unless it is asked what devices there
are: the controller of pytest-xdist checks specs too, and opens nothing for that,
except contributed devices whose facts a spec seems to speak of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.errors import ConfigError, SpecError, UsageError
from pytest_edgedevice.interfaces import DeviceLike
from pytest_edgedevice.inventory import Inventory, load_inventory
from pytest_edgedevice.plugin.options import settings_of
from pytest_edgedevice.spec import BUILT_IN, KEYWORDS, KINDS, parse_expression
from pytest_edgedevice.transports.base import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_edgedevice.opening import Catalog
    from pytest_edgedevice.spec import Expression

Known = tuple[Inventory, dict[str, "Callable[[], Transport | DeviceLike]"]]
KNOWN: pytest.StashKey[Known] = pytest.StashKey()
CATALOG: pytest.StashKey[Catalog] = pytest.StashKey()


def catalog(config: pytest.Config) -> Catalog:
    """What ``open_device`` looks names up in; it remembers the contributed devices that were opened."""
    from pytest_edgedevice.opening import Catalog

    if CATALOG not in config.stash:
        config.stash[CATALOG] = Catalog(*known_devices(config))
    return config.stash[CATALOG]


def forget_devices(config: pytest.Config) -> None:
    """Ask the hooks anew the next time: not all of them were there yet."""
    keys: tuple[pytest.StashKey[Any], ...] = (KNOWN, CATALOG)
    for key in keys:
        if key in config.stash:
            del config.stash[key]


def expression_of(config: pytest.Config, text: str) -> Expression:
    """Understand an expression; contributed devices are only opened where nothing else explains it.

    Raises:
        SpecError: It cannot be understood.
        ConfigError: The device file is wrong.
    """
    inventory, contributed = known_devices(config)
    if contributed:
        return catalog(config).expression(text)
    return parse_expression(text, vocabulary=inventory.vocabulary())


def known_devices(config: pytest.Config) -> Known:
    """The device file's devices, and the contributed ones by name.

    Raises:
        ConfigError: The file is wrong, a hook's result is, or a name is claimed twice.
    """
    if KNOWN not in config.stash:
        inventory = load_inventory(config.rootpath, explicit=settings_of(config).config)
        contributed: dict[str, Any] = {}
        for devices in config.hook.pytest_edgedevice_devices(config=config):
            for name, factory in _checked(devices).items():
                if name in contributed or name in inventory.devices:
                    other = "another one" if name in contributed else f"the device file {inventory.path}"
                    raise ConfigError(
                        f"device name {name!r} is claimed twice: by a pytest_edgedevice_devices hook and by {other}",
                        hint="rename one of them",
                    )
                contributed[name] = _opener(name, factory)
        config.stash[KNOWN] = inventory, contributed
    return config.stash[KNOWN]


def check_devices(config: pytest.Config) -> None:
    """Understand every device spec, or say where it stands and what is wrong.

    Raises:
        pytest.UsageError: A spec, the device file or a contribution is wrong.
    """
    settings = settings_of(config)
    try:
        inventory, contributed = known_devices(config)
        for spec in settings.devices:
            if spec not in contributed:
                (catalog(config) if contributed else inventory).parse(spec)
    except SpecError as error:
        raise pytest.UsageError(f"{settings.origin} {spec!r}: {error}") from None
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None


def _checked(devices: Any) -> dict[str, Any]:
    """What one hook returned, with its form checked."""
    form = "return {name: function that opens the link}, e.g. {'rack7': lambda: RackTransport('rack7.lab')}"
    if devices is None:
        return {}
    if not isinstance(devices, Mapping):
        raise ConfigError(f"a pytest_edgedevice_devices hook returned {type(devices).__name__}", hint=form)
    for name, factory in devices.items():
        if not isinstance(name, str) or not name.strip() or not callable(factory):
            raise ConfigError(f"a pytest_edgedevice_devices hook returned {{{name!r}: {factory!r}}}", hint=form)
        if name in KINDS or name in KEYWORDS or name in BUILT_IN:
            raise ConfigError(
                f"a pytest_edgedevice_devices hook names a device {name!r}, which already means something in a spec",
                hint="give it another name",
            )
    return dict(devices)


def _opener(name: str, factory: Callable[[], Any]) -> Callable[[], Transport | DeviceLike]:
    """Hold a contributed function to its word."""

    def opened() -> Transport | DeviceLike:
        link = factory()
        if not isinstance(link, Transport | DeviceLike):
            raise ConfigError(
                f"device {name!r}: its pytest_edgedevice_devices hook opened {type(link).__name__}, not a Transport",
                hint="derive it from pytest_edgedevice.transports.base.Transport, "
                "or offer all of pytest_edgedevice.interfaces.DeviceLike",
            )
        return link

    return opened
