"""What stands around a DK in a laboratory, for a virtual one: its serial ports on the network, and a relay with a web page.

The arguments are one JSON object each, `{"serial": PATH, "protocol": "raw" | "rfc2217"}` or `{"power": "HOST:PORT"}`. The ports
at which each is offered are one line of JSON; it ends when its input is closed. RFC 2217 is pyserial's server, as ser2net is no
Python package; the relay understands what labgrid's `simplerest` says, and switches the virtual DK's supply by SCPI.
"""

import http.server
import json
import os
import socket
import socketserver
import sys
import threading

import serial
import serial.rfc2217


class Pty(serial.Serial):
    """A pseudo-terminal, which has no lines beside its data."""

    cts = dsr = ri = cd = property(lambda self: False)

    def _update_dtr_state(self):
        pass

    _update_rts_state = _update_break_state = _update_dtr_state


def listener():
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    return server


def offer_serial(path, protocol):
    server = listener()
    # Open all the time, as ser2net's device is: what nobody hears is lost.
    port = Pty(path, baudrate=115200, timeout=0.05)
    lock = threading.Lock()
    client = {"connection": None, "manager": None}

    class Connection:
        """What pyserial's server answers through."""

        def __init__(self, connection):
            self.connection = connection

        def write(self, data):
            with lock:
                self.connection.sendall(data)

    def from_board():
        while True:
            data = port.read(port.in_waiting or 1)
            connection, manager = client["connection"], client["manager"]
            if data and connection:
                try:
                    connection.write(b"".join(manager.escape(data)) if manager else data)
                except OSError:
                    client["connection"] = None

    def to_board():
        while True:
            accepted, _ = server.accept()
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(accepted)
            manager = serial.rfc2217.PortManager(port, connection) if protocol == "rfc2217" else None
            client.update(connection=connection, manager=manager)
            try:
                while data := accepted.recv(4096):
                    port.write(b"".join(manager.filter(data)) if manager else data)
            except OSError:
                pass
            client["connection"] = None
            accepted.close()

    for job in (from_board, to_board):
        threading.Thread(target=job, daemon=True).start()
    return server.getsockname()[1]


def offer_power(address):
    host, port = address.rsplit(":", 1)

    class Relay(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            value = self.path.rsplit("/", 1)[-1]
            word = {"0": "OFF", "1": "ON"}[value]
            with socket.create_connection((host, int(port)), timeout=30) as supply:
                supply.sendall(f"OUTP {word};OUTP?\n".encode())
                answer = supply.makefile().readline().strip()
            self.send_response(200 if answer == value else 500)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


ports = []
for argument in map(json.loads, sys.argv[1:]):
    if "power" in argument:
        ports.append(offer_power(argument["power"]))
    else:
        ports.append(offer_serial(argument["serial"], argument["protocol"]))
print(json.dumps(ports), flush=True)
sys.stdin.read()
os._exit(0)
