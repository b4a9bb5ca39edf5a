"""The link to Android phones and other devices behind an adb server; ``transport`` is the way in."""
