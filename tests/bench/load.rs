//! The load: about 200 bytes and 8 values a message, from a fixed seed, with the configuration that understands it.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use nadikota::config;
use nadikota::transform::Transform;

const PROFILE: &str = "\
[profiles.generic.names]
x = \"battery_v\"
[profiles.bench]
measurement = \"air_quality\"
[profiles.bench.names]
pm2_5 = \"pm25_ugm3\"
pm10 = \"pm10_ugm3\"
co2 = \"co2_ppm\"
temperature = \"air_temperature_c\"
humidity = \"relative_humidity_pct\"
pressure = \"air_pressure_hpa\"
wind_speed = \"wind_speed_ms\"
battery = \"battery_v\"
";

/// Topics and payloads, over and over, with the time going on.
#[derive(Debug)]
pub struct Load {
    rng: fastrand::Rng,
    devices: usize,
    /// Unix time in milliseconds.
    time: i64,
    /// How much later a device tells its next values.
    step: i64,
    next: usize,
}

impl Load {
    pub fn new(devices: usize) -> Self {
        Self::from(devices, jiff::Timestamp::now().as_millisecond() - 24 * 3_600_000, 1000)
    }

    /// Of devices that were heard in these steps since then, Unix time in milliseconds.
    pub fn from(devices: usize, time: i64, step: i64) -> Self {
        Self { rng: fastrand::Rng::with_seed(42), devices, time, step, next: 0 }
    }

    pub fn message(&mut self) -> (String, String) {
        let device = self.next % self.devices;
        self.next += 1;
        if device == 0 {
            self.time += self.step;
        }
        let mut tenth = |low: i32, high: i32| f64::from(self.rng.i32(low..high)) / 10.0;
        let mut payload = String::with_capacity(220);
        let _ = write!(
            payload,
            r#"{{"ts":{},"pm2_5":{},"pm10":{},"co2":{},"temperature":{},"humidity":{},"pressure":{},"wind_speed":{},"battery":{},"firmware_version":2.41,"uptime_seconds":{}}}"#,
            self.time,
            tenth(100, 400),
            tenth(300, 700),
            tenth(4000, 9000),
            tenth(270, 299),
            tenth(750, 849),
            tenth(10090, 10095),
            tenth(0, 80),
            tenth(34, 39),
            self.next,
        );
        (format!("bench/pasuruan/bugul-kidul/AQ-{device:04}/air"), payload)
    }
}

/// Writes profile, registry and configuration into `dir`; the latter's text is also given.
pub fn configuration(dir: &Path, devices: usize, rest: &str) -> String {
    let profiles = dir.join("profiles");
    std::fs::create_dir_all(&profiles).expect("a folder");
    std::fs::write(profiles.join("bench.toml"), PROFILE).expect("profiles");
    let mut registry =
        "id,city,district,site,latitude,longitude,profile,valid_from,time_zone,agency,datum_m\n".to_owned();
    registry.push_str("PROBE,pasuruan,bugul-kidul,probe,,,bench,,,,\n");
    for device in 0..devices {
        let _ = writeln!(registry, "AQ-{device:04},pasuruan,bugul-kidul,site-{device:04},,,bench,,,,");
    }
    std::fs::write(dir.join("devices.csv"), registry).expect("a registry");
    format!(
        "time_zone = \"Asia/Jakarta\"\nprofiles = \"{}\"\ndevices = \"{}\"\n[log]\nlevel = \"warn\"\n{rest}\n\
         [[routes]]\ntopic = \"bench/{{city}}/{{district}}/{{device}}/air\"\nformat = \"json\"\ntime = \"ts\"\n",
        profiles.display(),
        dir.join("devices.csv").display(),
    )
}

/// The section that reads from a broker as `client_id`.
pub fn mqtt(broker: SocketAddr, client_id: &str) -> String {
    format!("[mqtt]\nurl = \"mqtt://{broker}\"\nclient_id = \"{client_id}\"\n")
}

/// The section that writes to an InfluxDB 2 endpoint.
pub fn influx2(address: SocketAddr) -> String {
    format!(
        "[[destinations]]\nkind = \"influxdb\"\nurl = \"http://{address}\"\norg = \"o\"\nbucket = \"b\"\n"
    )
}

/// The transform of this configuration, as `run` would build it.
pub fn transform(dir: &Path, devices: usize) -> Arc<Transform> {
    let path = dir.join("bench.toml");
    std::fs::write(&path, configuration(dir, devices, "[[destinations]]\nkind = \"embedded\"\n"))
        .expect("a configuration");
    config::load(&[path], []).expect("a right configuration").transform
}
