//! Telkom's platform Antares: requests (oneM2M) that create a content instance, its content JSON inside text.

use crate::simulate::device::Device;

/// Simulated, like the devices.
const ACCESS_KEY: &str = "a1b2c3d4e5f60718:8170f6e5d4c3b2a1";

pub(in crate::simulate) fn topic() -> String {
    format!("/oneM2M/req/{ACCESS_KEY}/antares-cse/json")
}

/// The request of a device whose content is this JSON.
pub(in crate::simulate) fn request(device: &Device, content: &str) -> String {
    let content = serde_json::Value::from(content);
    format!(
        r#"{{"m2m:rqp":{{"fr":"{ACCESS_KEY}","to":"/antares-cse/antares-id/Pasuruan/{}","op":1,"rqi":{},"pc":{{"m2m:cin":{{"cnf":"message","con":{content}}}}},"ty":4}}}}"#,
        device.id, device.made,
    )
}
