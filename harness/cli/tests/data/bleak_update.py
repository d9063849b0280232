"""Updates a board over Bluetooth LE with stock bleak, and a few lines of SMP.

usage: bleak_update.py ADDRESS IMAGE VERSION

Scans for the address, connects, reads the MTU, has a text echoed, uploads the image, marks it for test, resets, connects
again, and prints what happened. Ends with an error when something does not come out as expected.
"""

import asyncio
import hashlib
import struct
import sys

from bleak import BleakClient, BleakScanner

SERVICE = "8d53dc1d-1db7-4cd3-868b-8a527460aa84"
CHARACTERISTIC = "da2e7828-fbce-4e01-ae9e-261174997c48"
READ, WRITE = 0, 2
PATIENCE = 60


def encode(value):
    """The part of CBOR that SMP requests need."""

    def head(major, number):
        for size, more in ((24, None), (0x100, ">BB"), (0x10000, ">BH"), (0x100000000, ">BI")):
            if number < size:
                code = {None: number, ">BB": 24, ">BH": 25, ">BI": 26}[more]
                first = major << 5 | code
                return bytes([first]) if more is None else struct.pack(more, first, number)
        raise ValueError(number)

    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    return head(5, len(value)) + b"".join(encode(key) + encode(item) for key, item in value.items())


def decode(data, at=0):
    """The part of CBOR that SMP answers use: the value at `at`, and where it ends."""
    first = data[at]
    major, info = first >> 5, first & 31
    at += 1
    if info == 31:
        number = None
    elif info < 24:
        number = info
    else:
        size = 1 << (info - 24)
        number = int.from_bytes(data[at : at + size], "big")
        at += size
    if major == 0:
        return number, at
    if major == 1:
        return -1 - number, at
    if major == 2:
        return data[at : at + number], at + number
    if major == 3:
        return data[at : at + number].decode(), at + number
    if major == 7:
        return {20: False, 21: True, 22: None}[info], at
    items = []
    while len(items) != number * (2 if major == 5 else 1) if number is not None else data[at] != 0xFF:
        item, at = decode(data, at)
        items.append(item)
    if number is None:
        at += 1
    return (items if major == 4 else dict(zip(items[::2], items[1::2]))), at


class Smp:
    """SMP on a connected client: one request at a time."""

    def __init__(self, client, fragment):
        self.client, self.fragment = client, fragment
        self.sequence, self.received, self.answers = 0, b"", asyncio.Queue()

    def notified(self, _, value):
        self.received += bytes(value)
        while len(self.received) >= 8:
            length = 8 + int.from_bytes(self.received[2:4], "big")
            if len(self.received) < length:
                return
            self.answers.put_nowait(self.received[:length])
            self.received = self.received[length:]

    async def request(self, op, group, command, body):
        payload = encode(body)
        self.sequence = (self.sequence + 1) % 256
        packet = struct.pack(">BBHHBB", op | 8, 0, len(payload), group, self.sequence, command) + payload
        for at in range(0, len(packet), self.fragment):
            await self.client.write_gatt_char(
                CHARACTERISTIC, packet[at : at + self.fragment], response=False
            )
        answer = await asyncio.wait_for(self.answers.get(), PATIENCE)
        assert answer[6] == self.sequence, "the answer is to this request"
        body, _ = decode(answer, 8)
        assert not body.get("rc") and "err" not in body, body
        return body


async def find(address):
    async with asyncio.timeout(PATIENCE):
        while True:
            device = await BleakScanner.find_device_by_address(
                address, timeout=5, service_uuids=[SERVICE]
            )
            if device is not None:
                return device


async def connected(address, use):
    device = await find(address)
    async with BleakClient(device, timeout=PATIENCE) as client:
        characteristic = client.services.get_characteristic(CHARACTERISTIC)
        smp = Smp(client, characteristic.max_write_without_response_size)
        await client.start_notify(CHARACTERISTIC, smp.notified)
        return await use(device, smp)


async def upload(smp, image):
    params = await smp.request(READ, 0, 6, {})
    offset = 0
    while offset < len(image):
        body = {"off": offset}
        if offset == 0:
            body |= {"len": len(image), "sha": hashlib.sha256(image).digest()}
        # Header, map and keys: 26 bytes, and 48 more in the first request; rounded up.
        room = params["buf_size"] - (96 if offset == 0 else 32)
        body["data"] = image[offset : offset + room]
        offset = (await smp.request(WRITE, 1, 1, body))["off"]


async def main():
    address, path, version = sys.argv[1:]
    with open(path, "rb") as file:
        image = file.read()

    async def update(device, smp):
        print("name", device.name)
        print("mtu", smp.fragment + 3)
        print("echo", (await smp.request(WRITE, 0, 0, {"d": "hello, radio"}))["r"])
        await upload(smp, image)
        slots = (await smp.request(READ, 1, 0, {}))["images"]
        print("uploaded", slots[1]["version"])
        await smp.request(WRITE, 1, 0, {"hash": slots[1]["hash"], "confirm": False})
        await smp.request(WRITE, 0, 5, {})
        # The board resets, and the link is lost.
        async with asyncio.timeout(PATIENCE):
            while smp.client.is_connected:
                await asyncio.sleep(0.01)

    await connected(address, update)

    async def running(_, smp):
        return (await smp.request(READ, 1, 0, {}))["images"][0]

    slot = await connected(address, running)
    print("running", slot["version"], "confirmed" if slot.get("confirmed") else "testing")
    assert slot["version"] == version, slot


asyncio.run(main())
