"""What the table of a phone may not ask for: it has no Python, and nothing stays there."""

from __future__ import annotations

from pytest_edgedevice.inventory.tables import TableReader

NOT_ON_IPHONES = ("folder", "python", "cache_mb", "agent", "runtime", "environment")


class PhoneReader(TableReader):
    """Refuses what the table of a phone asks for in vain.

    Args:
        where: File and table path, the beginning of every error text.
        table: The device's whole table, each value of the right kind.
    """

    def check(self, kind: str) -> None:
        """Check a table.

        Args:
            kind: What links to the device.

        Raises:
            ConfigError: It cannot be had over that link.
        """
        if kind == "ios":
            self._check_iphone()
        elif kind == "adb":
            self._check_android()

    def _check_iphone(self) -> None:
        runner = self._table.get("runner", "app")
        if runner != "app":
            self._fail(
                f"is to run models by {runner!r}, and an iPhone runs nothing but apps",
                'leave "runner" out, or write runner = "app"; the app is your own, and speaks the agents\' protocol',
            )
        if given := [key for key in NOT_ON_IPHONES if self._table.get(key)]:
            self._fail(
                f"has {given[0]!r}, which means nothing to an app on an iPhone",
                f'leave "{given[0]}" out; what an app is told: port, start, bundle, start_timeout_s',
            )

    def _check_android(self) -> None:
        if "python" in self._table or self._table.get("runner") == "python":
            self._fail(
                "is to run models by Python, which is for local devices and boards over SSH",
                'leave "python" out: the native agent needs none; or reach the device over SSH',
            )
        if self._table.get("cache_mb"):  # a name more for a file is what Android's shell user may not make
            self._fail(
                "is to keep models between sessions, and nothing stays on a phone",
                'leave "cache_mb" out: it is for local devices and boards over SSH',
            )
