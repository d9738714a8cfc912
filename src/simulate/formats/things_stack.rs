//! The Things Stack v3: uplinks with a device's raw bytes only, as an application without a payload formatter sends them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::chirpstack::frame_count;
use crate::simulate::ExpectedPoint;
use crate::simulate::device::{Device, iso_nanos};

const APPLICATION: &str = "udara-pasuruan";
/// From the network server's receipt to the application server's, in nanoseconds.
const ON_THE_WAY: i64 = 14_000_000;

pub(in crate::simulate) fn topic(device: &str) -> String {
    format!("v3/{APPLICATION}@ttn/devices/{device}/up")
}

/// The message of an uplink that the network received at `told`, Unix time in nanoseconds.
pub(in crate::simulate) fn up(device: &Device, told: i64, port: u8, bytes: &[u8]) -> String {
    format!(
        r#"{{"end_device_ids":{{"device_id":"{}","application_ids":{{"application_id":"{APPLICATION}"}},"dev_addr":"260B1234"}},"received_at":"{}","uplink_message":{{"f_port":{port},"f_cnt":{},"frm_payload":"{}","rx_metadata":[{{"gateway_ids":{{"gateway_id":"alun-alun"}},"timestamp":2463457000,"rssi":-87,"channel_rssi":-87,"snr":7.5}}],"received_at":"{}"}}}}"#,
        device.id,
        iso_nanos(told.saturating_add(ON_THE_WAY), "Z"),
        frame_count(device),
        BASE64_STANDARD.encode(bytes),
        iso_nanos(told, "Z"),
    )
}

/// A point with how its uplink was heard.
pub(in crate::simulate) fn heard(point: ExpectedPoint, device: &Device) -> ExpectedPoint {
    point
        .good("signal_rssi_dbm", -87.0)
        .good("signal_snr_db", 7.5)
        .good("frame_count", frame_count(device).into())
}
