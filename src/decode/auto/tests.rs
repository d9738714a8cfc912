//! Tests of recognition: what is taken, and what is refused because it could be more than one thing.

use proptest::prelude::*;

use super::*;

fn taken(topic: &str, payload: &str) -> Name {
    name(topic, payload.as_bytes()).unwrap_or_else(|refused| panic!("{topic} {payload}: {refused}"))
}

/// The formats that were considered.
fn refused(topic: &str, payload: &[u8]) -> String {
    let refused = name(topic, payload).expect_err("it is in doubt");
    assert_eq!(refused.reason, Reason::UnknownFormat, "{refused}");
    let told = refused.detail.split_once("considered: ").expect("what was considered").1;
    told.split_once(';').expect("what to do").0.to_owned()
}

#[test]
fn members_that_only_one_format_has_are_enough_on_any_topic() {
    for (payload, expected) in [
        (r#"{"deviceInfo":{"devEui":"0101010101010101"},"data":"qg=="}"#, "chirpstack"),
        (r#"{"applicationID":"1","devEUI":"AQEBAQEBAQE=","data":"AQ=="}"#, "chirpstack"),
        (r#"{"end_device_ids":{"device_id":"d"},"uplink_message":{}}"#, "things_stack"),
        (r#"{"Time":"2026-11-24T07:00:00","AM2301":{"Temperature":80},"TempUnit":"F"}"#, "tasmota"),
        (r#"{"m2m:cin":{"con":"5"}}"#, "antares"),
        (r#"{"serialno":"ec","rco2":447}"#, "airgradient"),
        (r#"{"esp8266id":"1","sensordatavalues":[]}"#, "sensor_community"),
        (r#"{"id":"urn:ngsi-ld:A:1","type":"A","pm25":3}"#, "fiware_json"),
        (r#"[{"id":"a","type":"A","t":{"value":3,"type":"Number"}},{"id":"b","type":"A"}]"#, "fiware_json"),
        (r#"{"subscriptionId":"5","data":[{"id":"a","type":"A"}]}"#, "fiware_json"),
        (r#"[{"n":"t","u":"Cel","v":23},{"n":"h","v":60}]"#, "senml"),
        (r#"[{"bn":"urn:dev:a:","bt":-1},{"v":1}]"#, "senml"),
        (r#"{"temp":23}"#, "json"),
        (r#"[{"temp":23,"t":5},{"temp":24}]"#, "json"),
        ("23.5\n", "value"),
        ("OFF", "value"),
        ("temperature|15#humidity|60", "ultralight"),
        ("2026-11-24T00:00:00Z|t|15", "ultralight"),
        ("weather,device=a t=27.5,n=12i 1795478400000000000", "line_protocol"),
        ("# by hand\nw,device=a t=1\nbroken", "line_protocol"),
    ] {
        assert_eq!(taken("city/a", payload), expected, "{payload}");
    }
}

#[test]
fn an_array_is_decided_only_where_all_of_it_was_looked_at() {
    let array = |count| format!("[{}]", vec![r#"{"temp":1}"#; count].join(","));
    assert_eq!(taken("city/a", &array(10_000)), "json");
    assert_eq!(refused("city/a", array(10_001).as_bytes()), "json");
    let cut_short = array(10_001).replace(']', "");
    assert_eq!(name("city/a", cut_short.as_bytes()).unwrap_err().reason, Reason::Malformed);
}

#[test]
fn what_two_formats_could_be_is_refused_with_both() {
    for (topic, payload, expected) in [
        // Many devices tell an id and a type, and some their address.
        ("city/a", r#"{"id":"a","type":"bin","fill":40}"#, "fiware_json, json"),
        ("city/a", r#"{"devEUI":"0101010101010101","fPort":2}"#, "chirpstack, json"),
        // One has its times in another member, the other its base topic in the settings.
        ("city/a", r#"{"temperature":20,"last_seen":1795478395000}"#, "zigbee2mqtt, json"),
        ("city/a", r#"{"data":[{"recorded_at":"2026-11-08","sensors":[]}]}"#, "smart_citizen, json"),
        ("city/a", r#"{"m2m:cin":{},"end_device_ids":{}}"#, "things_stack, antares"),
        // Without a name, with another label, and with a name that is a number.
        ("city/a", r#"[{"t":1,"v":2}]"#, "senml, json"),
        ("city/a", r#"[{"n":"t","v":2,"x":1}]"#, "senml, json"),
        ("city/a", r#"[{"n":5,"v":2}]"#, "senml, json"),
        ("city/a", "[1,2]", "json"),
        ("application/a/device/b/event/up", r#"{"temp":20}"#, "chirpstack, json"),
        ("application/a/device/b/event/up", "qg==", "chirpstack, chirpstack_protobuf"),
        ("v3/a@ttn/devices/b/up", r#"{"temp":20}"#, "things_stack, json"),
        ("v3/a@ttn/devices/b/up", r#"{"end_device_ids":{},"m2m:cin":{}}"#, "things_stack, antares"),
        ("tele/a/SENSOR", r#"{"temp":20}"#, "tasmota, json"),
        ("stat/a/POWER", "41.5", "tasmota"),
        ("zigbee2mqtt/a", "27", "zigbee2mqtt"),
        ("lampu-7/status/switch:0", r#"{"apower":1}"#, "shelly, json"),
        ("lampu-7/status/wifi", r#"{"rssi":-60}"#, "shelly, json"),
        ("lampu-7/online", "true", "shelly, value"),
        ("/KEY/d1/attrs", r#"{"t":"23"}"#, "fiware_json, json"),
        ("/KEY/d1/attrs/t", "23", "ultralight, fiware_json, value"),
        ("device/sck/aaaaaa/readings", r#"{"data":[]}"#, "smart_citizen"),
    ] {
        assert_eq!(refused(topic, payload.as_bytes()), expected, "{topic} {payload}");
    }
}

#[test]
fn text_and_bytes_that_say_nothing_of_themselves_are_refused() {
    for payload in [
        "0175",                 // a frame in hex, or a number with a zero before it
        "01020304050607080910", // the same without that zero
        "BIJE",
        "warm",
        "\"on\"",
        "  ",
        "time,temp\n1,2",
        "23|60|ok",
        "t|15|60|ok",
        "a|b\nc|d",
        "w,device=a t=1 1795478400", // nanoseconds of 1970, or seconds of today
        "w,device=a t=",
    ] {
        assert!(refused("city/a", payload.as_bytes()).contains("csv"), "{payload}");
    }
    // A frame of Cayenne LPP, and one that begins like an array of CBOR.
    assert!(refused("city/a", b"\x03\x67\x01\x10\xff").contains("cayenne_lpp"));
    assert!(refused("city/a", b"\x82\x67\x01\x10").contains("cayenne_lpp"));
}

#[test]
fn a_topic_that_a_platform_prescribes_and_its_members_are_a_format_together() {
    for (topic, payload, expected) in [
        ("eu868/application/a/device/b/event/up", r#"{"deviceInfo":{}}"#, "chirpstack"),
        ("bridge/spBv1.0/g/NDATA/n", "{}", "sparkplug_b"),
        ("taman/tele/STATE", r#"{"Time":"2026-11-24T07:00:00"}"#, "tasmota"),
        ("stat/a/POWER2", "ON", "tasmota"),
        ("tele/a/LWT", "Offline", "tasmota"),
        ("zigbee2mqtt/a/b", r#"{"t":1}"#, "zigbee2mqtt"),
        ("zigbee2mqtt/bridge/state", "online", "zigbee2mqtt"),
        ("zigbee2mqtt/bridge/devices", "[]", "zigbee2mqtt"),
        ("shellyplug-b8d61a/online", "true", "shelly"),
        ("x/status/switch:0", r#"{"id":0,"output":true}"#, "shelly"),
        ("x/status/wifi", r#"{"sta_ip":null,"rssi":-60}"#, "shelly"),
        ("ul/K/d/attrs/t", "15", "ultralight"),
        ("/json/K/d/attrs", r#"{"t":"15"}"#, "fiware_json"),
        ("/oneM2M/req/K/a/json", r#"{"op":2,"rqi":"7"}"#, "antares"),
        ("frost/v1.1/Things(1)", r#"{"name":"a"}"#, "sensorthings"),
        // Not the topics of a platform, only alike.
        ("status/wifi", r#"{"rssi":-60}"#, "json"),
        ("tele/a/temp", "23", "value"),
        ("zigbee2mqtt", r#"{"t":1}"#, "json"),
        ("v1.1/a", r#"{"t":1}"#, "json"),
    ] {
        assert_eq!(taken(topic, payload), expected, "{topic} {payload}");
    }
}

#[test]
fn json_that_is_cut_short_is_told_as_that() {
    let refused = name("city/a", br#"{"temp":2"#).expect_err("it is no JSON");
    assert_eq!(refused.reason, Reason::Malformed);
}

proptest! {
    #[test]
    fn what_is_recognised_has_a_format(topic in "[a-z/]{0,20}", text in "[\\[\\]{}\":,|a-c0-9.e\\- ]{0,60}") {
        if let Ok(name) = name(&topic, text.as_bytes()) {
            prop_assert!(Auto::default().formats.iter().any(|format| format.name() == name));
        }
    }
}
