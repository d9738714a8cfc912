"""Messages made by libraries that are not ours, one a line: name, topic and payload in hex, between tabs."""

import datetime
import decimal

import cbor2
import pysparkplug as sp
from chirpstack_api import gw, integration
from google.protobuf import struct_pb2, timestamp_pb2
from influxdb_client import Point, WritePrecision

# 2026-11-24T00:00:00Z
START = 1795478400
MS = START * 1000


def tell(name, topic, payload):
    print(name, topic, payload.hex(), sep="\t")


# RFC 8428, table 4.
BN, BT, BU, BV, N, U, V, VS, VB, S, T, VD = -2, -3, -4, -5, 0, 1, 2, 3, 4, 5, 6, 8
PACK = [
    {BN: "urn:dev:ow:10e2073a01080063:", BT: START, BU: "Cel", N: "temperature", V: 27.5},
    {N: "temperature", T: -60, V: 27.1},
    {N: "pressure", U: "hPa", V: 1009},
    {N: "below", V: -40},
    {N: "exact", V: decimal.Decimal("27.31")},
    {N: "energy", U: "W", S: 1.5},
    {N: "label", VS: "Pasar"},
    {N: "open", VB: False},
    {N: "raw", VD: bytes([255, 254, 0])},
]
tell("senml plain", "senml", cbor2.dumps(PACK))
# The shortest float that keeps the value: 27.5 in 16 bits.
tell("senml shortest", "senml", cbor2.dumps(PACK, canonical=True))
tell("senml self-described", "senml", cbor2.dumps(cbor2.CBORTag(55799, PACK)))
tell("senml dated", "senml", cbor2.dumps([{N: "d:t", V: datetime.datetime.fromtimestamp(START, datetime.UTC)}]))
tell("senml infinite", "senml", cbor2.dumps([{N: "d:t", V: float("inf")}]))


def metric(name, datatype, value, alias=None, at=MS, **more):
    return sp.Metric(timestamp=at, name=name, datatype=datatype, value=value, alias=alias, **more)


TYPES = sp.DataType
NODE, DEVICE = "spBv1.0/water/{}/pump-1", "spBv1.0/water/{}/pump-1/level"
SEQ = metric("bdSeq", TYPES.INT64, 7)
tell("sparkplug node birth", NODE.format("NBIRTH"), sp.NBirth(timestamp=MS, seq=0, metrics=(
    SEQ,
    metric("Node Control/Rebirth", TYPES.BOOLEAN, False),
    metric("voltage", TYPES.FLOAT, 12.1, alias=1),
    metric("since", TYPES.DATETIME, datetime.datetime.fromtimestamp(START, datetime.UTC)),
)).encode())
tell("sparkplug device birth", DEVICE.format("DBIRTH"), sp.DBirth(timestamp=MS, seq=1, metrics=(
    metric("i8", TYPES.INT8, -128, alias=11),
    metric("i16", TYPES.INT16, -32768, alias=12),
    metric("i32", TYPES.INT32, -2147483648, alias=13),
    metric("i64", TYPES.INT64, -5, alias=14),
    metric("u8", TYPES.UINT8, 255, alias=15),
    metric("u16", TYPES.UINT16, 65535, alias=16),
    metric("u32", TYPES.UINT32, 4294967295, alias=17),
    metric("u64", TYPES.UINT64, 9007199254740992, alias=18),
    metric("double", TYPES.DOUBLE, -0.1, alias=19),
    metric("on", TYPES.BOOLEAN, True, alias=20),
    metric("text", TYPES.STRING, "Welang", alias=21),
    metric("array", TYPES.INT16_ARRAY, [-1, 300]),
    metric("floats", TYPES.FLOAT_ARRAY, [0.5, -2.25]),
)).encode())
tell("sparkplug data", DEVICE.format("DDATA"), sp.DData(timestamp=MS + 9000, seq=2, metrics=(
    metric(None, TYPES.INT8, -1, alias=11, at=MS + 5000),
    metric(None, TYPES.INT32, -7, alias=13, at=MS + 5000),
    metric(None, TYPES.INT64, -9007199254740992, alias=14, at=MS + 4000, is_historical=True),
    metric(None, TYPES.DOUBLE, None, alias=19, at=MS + 5000, is_null=True),
)).encode())
tell("sparkplug gap", NODE.format("NDATA"), sp.NData(timestamp=MS + 10000, seq=5, metrics=(
    metric(None, TYPES.FLOAT, 11.9, alias=1, at=MS + 10000),
)).encode())
tell("sparkplug command", NODE.format("NCMD"), sp.NCmd(timestamp=MS, metrics=(
    metric("Node Control/Rebirth", TYPES.BOOLEAN, True),
)).encode(include_dtypes=True))
tell("sparkplug device death", DEVICE.format("DDEATH"), sp.DDeath(timestamp=MS + 11000, seq=6).encode())
tell("sparkplug node death", NODE.format("NDEATH"), sp.NDeath(timestamp=MS, bd_seq_metric=SEQ).encode())


# --- ChirpStack: its own messages. ---

UPLINK = dict(
    deduplication_id="3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
    device_info=integration.DeviceInfo(
        tenant_name="t", application_name="a", device_profile_name="level", device_name="Welang", dev_eui="0101010101010101",
        tags={"site": "bridge"},
    ),
    dev_addr="00189440",
    adr=True,
    dr=2,
    f_cnt=70_000,
    f_port=85,
    tx_info=gw.UplinkTxInfo(frequency=923_200_000),
)
AT = timestamp_pb2.Timestamp(seconds=START, nanos=250_000_000)
HEARD = [
    gw.UplinkRxInfo(gateway_id="0016c001f153a14c", uplink_id=4217106255, rssi=-113, snr=-7.25, metadata={"region": "as923_2"}),
    gw.UplinkRxInfo(gateway_id="0016c001f153a14d", uplink_id=1, rssi=-48, snr=9.5),
]
decoded = struct_pb2.Struct()
decoded.update({"level": 1.25, "gps": {"fix": True, "bars": [3, None]}, "text": "Pasar", "none": None, "zero": 0, "half": -0.5})
EVENT = "application/a/device/0101010101010101/event/{}"
tell("chirpstack object", EVENT.format("up"), integration.UplinkEvent(
    time=AT, object=decoded, rx_info=HEARD, **UPLINK).SerializeToString(deterministic=True))
# 25.5 °C and 60.5 %, as in the example of the device's maker.
tell("chirpstack raw", "application/stations/device/0101010101010101/event/up", integration.UplinkEvent(
    time=AT, data=bytes.fromhex("017564 0367ff00 046879"), rx_info=HEARD[:1], **UPLINK).SerializeToString())
tell("chirpstack status", EVENT.format("status"), integration.StatusEvent(
    time=AT, device_info=UPLINK["device_info"], margin=-7, battery_level=88.3).SerializeToString())
tell("chirpstack mains", EVENT.format("status"), integration.StatusEvent(
    time=AT, device_info=UPLINK["device_info"], margin=10, external_power_source=True).SerializeToString())
tell("chirpstack join", EVENT.format("join"), integration.JoinEvent(
    time=AT, device_info=UPLINK["device_info"], dev_addr="00189440").SerializeToString())
whole = integration.UplinkEvent(time=AT, object=decoded, rx_info=HEARD, **UPLINK).SerializeToString(deterministic=True)
tell("chirpstack torn", EVENT.format("up"), whole[:-3])


# --- Line protocol. ---

points = [
    Point("weather").tag("device", "aws 1,a=b").tag("city", "pasuruan").field("temperature", 27.5).field("count", 12)
    .field("on", True).field("text", 'say "hi" \\ , = x').field("tiny", 1e-7).field("large", 2.5e21).field("field one", -1)
    .time(START * 1_000_000_000 + 5_000_000_000, WritePrecision.NS),
    Point("no time, 100 %").tag("device", "b").field("pressure", 1009.25),
]
lines = "\n".join(point.to_line_protocol() for point in points)
tell("lines", "lines", lines.encode())
tell("lines in seconds", "lines/seconds",
     Point("w").tag("device", "c").field("u", 1).time(START + 7, WritePrecision.S).to_line_protocol().encode())
