"""Servers that answer what they are told, or behave badly."""

from __future__ import annotations

from collections.abc import Callable
from socket import socket
from threading import Event

Behaviour = Callable[[socket, Event], None]
Server = Callable[[Behaviour], int]


def answering(*answers: bytes) -> Behaviour:
    def behave(link: socket, over: Event) -> None:
        link.recv(4096)
        for answer in answers:
            link.sendall(answer)

    return behave


def silent(link: socket, over: Event) -> None:
    over.wait(60)


def trickling(link: socket, over: Event) -> None:
    while not over.wait(0.05):
        link.sendall(b"0")


def flooding(link: socket, over: Event) -> None:
    while not over.is_set():
        link.sendall(b"z" * 65536)
