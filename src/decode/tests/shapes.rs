//! Shapes: what a hostile payload may be made of, for the test of costs and for the bench.

/// The size of each payload: a message may have as much.
pub(crate) const SIZE: usize = 1 << 20;

/// Each decoder: a topic of its own, and the settings of its route.
pub(crate) const FORMATS: &[(&str, &str)] = &[
    (
        "city/a",
        "format = \"json\"\ntime = \"t\"\nsamples = \"*.s\"\nentry_name = \"n\"\nentry_value = \"v\"\n",
    ),
    ("city/a", "format = \"json\"\nsamples = \"s\"\nentry_name = \"n\"\nentry_value = \"v\"\n"),
    ("city/a", "format = \"json\"\n"),
    ("city/a", "format = \"value\"\n"),
    ("city/a", "format = \"auto\"\n"),
    ("application/a/device/b/event/up", "format = \"auto\"\n"),
    ("city/a", "format = \"csv\"\n"),
    ("city/a", "format = \"csv\"\ncolumns = [\"a\", \"b\"]\n"),
    ("city/a", "format = \"line_protocol\"\n"),
    ("city/a", "format = \"senml\"\n"),
    ("/ul/key/a/attrs", "format = \"ultralight\"\n"),
    ("/json/key/a/attrs", "format = \"fiware_json\"\n"),
    ("/json/key/a/attrs/t", "format = \"fiware_json\"\n"),
    ("antares/a", "format = \"antares\"\n"),
    ("tele/a/SENSOR", "format = \"tasmota\"\n"),
    ("luft/a", "format = \"sensor_community\"\n"),
    ("application/a/device/b/event/up", "format = \"chirpstack\"\n"),
    ("application/a/device/b/event/up", "format = \"chirpstack_protobuf\"\n"),
    ("v3/a/devices/b/up", "format = \"things_stack\"\n"),
    ("lpp/a", "format = \"cayenne_lpp\"\n"),
    ("lpp/a", "format = \"cayenne_lpp\"\nencoding = \"hex\"\n"),
    ("lpp/a", "format = \"cayenne_lpp\"\nencoding = \"base64\"\n"),
    ("bin/a", "format = \"binary\"\n"),
    ("spBv1.0/g/NBIRTH/n", "format = \"sparkplug_b\"\n"),
    ("zigbee2mqtt/a", "format = \"zigbee2mqtt\"\n"),
    ("shellyplus-a/events/rpc", "format = \"shelly\"\n"),
    ("shellyplus-a/status/switch:0", "format = \"shelly\"\n"),
    ("airgradient/readings/a", "format = \"airgradient\"\n"),
    ("v1.1/Datastreams(5)/Observations", "format = \"sensorthings\"\n"),
    (
        "device/sck/aaaaaa/readings",
        "format = \"smart_citizen\"\nkits = [{ device = \"a\", token = \"aaaaaa\" }]\n",
    ),
    (
        "device/sck/aaaaaa/readings/raw",
        "format = \"smart_citizen\"\nkits = [{ device = \"a\", token = \"aaaaaa\" }]\n",
    ),
];

/// A beginning, then the same again and again.
pub(crate) const SHAPES: &[(&[u8], &[u8])] = &[
    (b"", b"["),
    (b"[", b"1,"),
    (b"[", b"{},"),
    (b"[", b"[],"),
    (b"[", b"\"\","),
    (b"[", b"{\"id\":\"a\",\"type\":\"T\",\"v\":1},"),
    (b"[", b"{\"n\":\"a\",\"v\":1},"),
    (b"[", b"{\"v\":1},"),
    (b"[{\"bn\":\"urn:dev:ow:10e2073a01080063:\",\"bs\":1,\"v\":1},", b"{\"n\":\"a\",\"v\":1},"),
    (b"{", b"\"a\":1,"),
    (b"{", b"\"a\":{\"b\":1},"),
    (b"{\"a\":", b"{\"a\":"),
    (b"{\"id\":\"a\",\"type\":\"T\",", b"\"a\":{\"value\":1,\"observedAt\":\"2026-11-24T00:00:00Z\"},"),
    (b"{\"sensordatavalues\":[", b"{\"value_type\":\"SDS_P1\",\"value\":\"1\"},"),
    (b"{\"m2m:cin\":{\"con\":\"[", b"1,"),
    (b"{\"m2m:cin\":{\"con\":\"", b"\\\"a"),
    (b"{\"s\":[", b"{\"n\":\"a\",\"v\":1},"),
    (b"{\"deviceInfo\":{\"devEui\":\"0101010101010101\"},\"rxInfo\":[", b"{},"),
    (b"{\"deviceInfo\":{\"devEui\":\"0101010101010101\"},\"object\":{", b"\"a\":1,"),
    (b"{\"deviceInfo\":{\"devEui\":\"0101010101010101\"},\"data\":\"", b"AAAA"),
    (b"{\"devEUI\":\"0101010101010101\",\"objectJSON\":\"{", b"\\\"a\\\":1,"),
    (b"{\"uplink_message\":{\"rx_metadata\":[", b"{},"),
    (b"{\"uplink_message\":{\"decoded_payload_warnings\":[", b"\"\","),
    (b"{\"uplink_message\":{\"normalized_payload\":[", b"{\"a\":1},"),
    (b"{\"uplink_message\":{\"decoded_payload\":{", b"\"a\":1,"),
    (b"{\"method\":\"NotifyStatus\",\"params\":{", b"\"a:0\":{\"b\":1},"),
    (b"{\"method\":\"NotifyStatus\",\"params\":{", b"\"ts\":1,"),
    (b"{\"data\":[", b"{\"sensors\":[]},"),
    (b"{\"data\":[{\"sensors\":[", b"{\"id\":1},"),
    (b"{", b"1:1,"),
    (b"{", b"t:2017-03-24T13:35:14Z,"),
    (b"\"", b"x"),
    (b"\"", b"\\u0061"),
    (b"{\"", b"x"),
    (b"", b"\n"),
    (b"", b" "),
    (b"", b",\n"),
    (b"a,b\n", b"1,2\n"),
    (b"a,b\n", b"1,\"2\n"),
    (b"", b","),
    (b"", b"\""),
    (b"\"", b"\"\""),
    (b"", b"w,device=a x=1\n"),
    (b"", b"w,device=a x=\"\n"),
    (b"w,device=a x=\"", b"\n"),
    (b"w", b",a=b"),
    (b"w,device=a x=1", b",x=1"),
    (b"", b"#"),
    (b"", b"#\n"),
    (b"", b"w\\ "),
    (b"", b"t|1|"),
    (b"", b"t|1#"),
    (b"", b"|"),
    (b"", "é".as_bytes()),
    (b"", b"1"),
    (b"", b"00"),
    (b"", b"AAAA"),
    // Frames of Cayenne LPP: truth values, accelerations, positions.
    (b"", b"\x01\x00\x01"),
    (b"", b"\x01\x71\x00\x01\x00\x01\x00\x01"),
    (b"", b"\x01\x88\x00\x01\x02\x00\x01\x02\x00\x01\x02"),
    (b"", b"010001"),
    (b"", b"AQAB"),
    // CBOR: records, nesting of arrays, maps and tags, lengths that promise more than there is.
    (b"\x9f", b"\xa2\x00\x61a\x02\x01"),
    (b"\x9f", b"\xa1\x02\x01"),
    (b"\x9f\xa1", b"\x9f"),
    (b"\x9f", b"\xbf"),
    (b"\x9f\xa1\x61x", b"\xc1"),
    (b"\x9f\xa1\x61x", b"\x81"),
    (b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff", b"\xa1\x02\x01"),
    (b"\x81\xbb\x7f\xff\xff\xff\xff\xff\xff\xff", b"\x00\x61a"),
    (b"\x81\xa1\x00\x7b\x00\x00\x00\x00\x7f\xff\xff\xff", b"a"),
    // Protobuf: metrics, gateways, an object of many members, lists inside each other.
    (b"", b"\x12\x00"),
    (b"", b"\x12\x03\x0a\x01a"),
    (b"", b"\x12\x07\x0a\x01a\x20\x0b\x58\x01"),
    (b"", b"\x62\x00"),
    (b"\x5a\xfc\xff\x3f", b"\x0a\x05\x0a\x01a\x12\x00"),
    (b"\x12\xfc\xff\x3f", b"\x4a\x04\x12\x02\x18\x01"),
    (b"", b"\x80"),
    (b"", b"\xff"),
    (b"", b"\x00"),
];

/// One payload of that shape, filled up to the size.
pub(crate) fn payload((start, again): (&[u8], &[u8]), size: usize) -> Vec<u8> {
    let count = (size - start.len()) / again.len();
    let mut payload = Vec::with_capacity(size);
    payload.extend_from_slice(start);
    (0..count).for_each(|_| payload.extend_from_slice(again));
    payload
}

/// A shape in words that fit into a table.
pub(crate) fn told((start, again): (&[u8], &[u8])) -> String {
    format!("{}{}…", start.escape_ascii(), again.escape_ascii())
}
