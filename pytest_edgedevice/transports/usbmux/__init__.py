"""iPhones and iPads through usbmuxd: what is attached, what it tells of itself, and a stream to an app's port.

Nothing is started or stored there: the app is the user's own, and speaks the agents' protocol itself.
"""
