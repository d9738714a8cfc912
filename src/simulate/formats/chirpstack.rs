//! ChirpStack v4 with its JSON integration: `up` events with raw bytes or a decoded `object`, and `join` events.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::simulate::ExpectedPoint;
use crate::simulate::device::{Device, iso_nanos};

/// The application's identifier, part of every topic.
const APPLICATION: &str = "7b1c3f52-2a0e-4c1d-9a57-4d0f6e8a9c21";

/// What a device is called in ChirpStack, and its frame.
pub(in crate::simulate) struct Uplink<'u> {
    /// ChirpStack's device profile.
    pub(in crate::simulate) model: &'u str,
    pub(in crate::simulate) port: u8,
    pub(in crate::simulate) bytes: &'u [u8],
    /// What ChirpStack's codec made of the bytes, as JSON; nothing where it has none.
    pub(in crate::simulate) object: Option<&'u str>,
}

pub(in crate::simulate) fn topic(device: &str) -> String {
    format!("application/{APPLICATION}/device/{device}/event/up")
}

/// The event of an uplink at `told`, Unix time in nanoseconds.
pub(in crate::simulate) fn up(device: &Device, told: i64, uplink: &Uplink<'_>) -> String {
    let Uplink { model, port, bytes, object } = uplink;
    let object = object.map(|object| format!(r#","object":{object}"#)).unwrap_or_default();
    format!(
        r#"{{{},"devAddr":"00189440","fCnt":{},"fPort":{port},"data":"{}"{object},"rxInfo":[{{"gatewayId":"0016c001f153a14c","rssi":-36,"snr":10.5}}]}}"#,
        head(device, told, model),
        frame_count(device),
        BASE64_STANDARD.encode(bytes),
    )
}

/// Topic and payload of a join: the node came (back) to the network, no reading.
pub(in crate::simulate) fn join(device: &Device, told: i64, model: &str) -> (String, String) {
    let payload = format!(r#"{{{},"devAddr":"00189440"}}"#, head(device, told, model));
    (device.topic.replace("/event/up", "/event/join"), payload)
}

/// A point with how its uplink was heard.
pub(in crate::simulate) fn heard(point: ExpectedPoint, device: &Device) -> ExpectedPoint {
    point
        .good("signal_rssi_dbm", -36.0)
        .good("signal_snr_db", 10.5)
        .good("frame_count", frame_count(device).into())
}

/// How many frames the device has sent, this one included.
pub(in crate::simulate) fn frame_count(device: &Device) -> u32 {
    u32::try_from(device.made.saturating_add(1)).unwrap_or(u32::MAX)
}

fn head(device: &Device, told: i64, model: &str) -> String {
    let name = serde_json::Value::from(device.site.as_str());
    format!(
        r#""deduplicationId":"3ac7e3c4-4401-4b8d-9386-{:012x}","time":"{}","deviceInfo":{{"applicationId":"{APPLICATION}","applicationName":"Pasuruan","deviceProfileName":"{model}","deviceName":{name},"devEui":"{}"}}"#,
        device.made & 0xffff_ffff_ffff,
        iso_nanos(told, "+00:00"),
        device.id
    )
}
