//! Cases: a usual message of each format, and the JSON beside which its cost is told.

use std::fmt::Write as _;

use minicbor::Encoder;

/// One format with its route.
pub struct Case {
    pub name: &'static str,
    /// Of the route.
    pub template: &'static str,
    pub topic: &'static str,
    pub settings: &'static str,
    pub profile: &'static str,
    /// Readings of one message that the profile maps.
    pub mapped: usize,
    /// At most so many times the reference.
    pub target: Option<f64>,
    pub make: fn(&mut Values) -> Made,
}

/// One message; without a JSON of its own it is JSON itself.
pub struct Made {
    pub payload: Vec<u8>,
    pub json: Option<Vec<u8>>,
}

const NAMES: [&str; 8] =
    ["pm2_5", "pm10", "co2", "temperature", "humidity", "pressure", "wind_speed", "battery"];
const UNITS: [&str; 8] = ["ug/m3", "ug/m3", "ppm", "Cel", "%RH", "hPa", "m/s", "V"];

/// Values of a street, from a fixed seed.
pub struct Values {
    rng: fastrand::Rng,
    /// Unix time in seconds.
    time: i64,
    of: [f64; 8],
}

impl Values {
    pub fn new() -> Self {
        Self { rng: fastrand::Rng::with_seed(42), time: 1_795_470_000, of: [0.0; 8] }
    }

    pub fn next(&mut self) {
        self.time += 1;
        let ranges = [
            (100, 400),
            (300, 700),
            (4000, 9000),
            (270, 299),
            (750, 849),
            (10_090, 10_095),
            (0, 80),
            (34, 39),
        ];
        self.of = ranges.map(|(low, high)| f64::from(self.rng.i32(low..high)) / 10.0);
    }

    fn pairs(&self) -> impl Iterator<Item = (&'static str, f64)> {
        NAMES.into_iter().zip(self.of)
    }

    fn joined(&self, one: impl Fn(&str, f64) -> String, between: &str) -> String {
        self.pairs().map(|(name, value)| one(name, value)).collect::<Vec<_>>().join(between)
    }

    /// The members of an object.
    fn members(&self) -> String {
        self.joined(|name, value| format!("\"{name}\":{value}"), ",")
    }

    fn json(&self) -> Vec<u8> {
        format!("{{\"ts\":{},{}}}", self.time, self.members()).into()
    }

    /// What is no JSON, beside the JSON of the same readings.
    fn beside(&self, payload: String) -> Made {
        Made { payload: payload.into(), json: Some(self.json()) }
    }

    fn iso(&self) -> String {
        jiff::Timestamp::from_second(self.time).expect("this century").to_string()
    }
}

fn same(payload: String) -> Made {
    Made { payload: payload.into(), json: None }
}

/// A case of JSON text, or of text beside JSON.
const fn text(
    name: &'static str,
    (template, topic): (&'static str, &'static str),
    (settings, profile): (&'static str, &'static str),
    mapped: usize,
    make: fn(&mut Values) -> Made,
) -> Case {
    Case { name, template, topic, settings, profile, mapped, target: Some(1.5), make }
}

pub const CASES: &[Case] = &[
    Case {
        target: Some(1.0),
        ..text(
            "json, with a profile",
            ("j/{device}", "j/d1"),
            ("format = \"json\"\ntime = \"ts\"", "bench"),
            8,
            |values| same(String::from_utf8(values.json()).expect("text")),
        )
    },
    text(
        "json, an array of 50",
        ("ja/{device}", "ja/d1"),
        ("format = \"json\"\ntime = \"ts\"\nsamples = \"log\"", "bench"),
        400,
        |values| {
            let mut log = Vec::new();
            for _ in 0..50 {
                values.next();
                log.push(format!("{{\"ts\":{},{}}}", values.time, values.members()));
            }
            same(format!("{{\"log\":[{}]}}", log.join(",")))
        },
    ),
    text(
        "csv",
        ("c/{device}", "c/d1"),
        (
            "format = \"csv\"\ntime = \"ts\"\ncolumns = [\"ts\", \"pm2_5\", \"pm10\", \"co2\", \"temperature\", \
             \"humidity\", \"pressure\", \"wind_speed\", \"battery\"]",
            "bench",
        ),
        8,
        |values| {
            values.beside(format!("{},{}\n", values.time, values.joined(|_, value| value.to_string(), ",")))
        },
    ),
    text(
        "ultralight",
        ("/ul/{secret}/{device}/#", "/ul/4jggokgpepnvsb2uv4s40d59ov/d1/attrs"),
        ("format = \"ultralight\"", "bench"),
        8,
        |values| {
            let pairs = values.joined(|name, value| format!("{name}|{value}"), "|");
            values.beside(format!("{}|{pairs}", values.iso()))
        },
    ),
    text("line_protocol", ("l/{x}", "l/x"), ("format = \"line_protocol\"", "bench"), 8, |values| {
        let fields = values.joined(|name, value| format!("{name}={value}"), ",");
        values.beside(format!("air,device=d1,city=pasuruan {fields} {}000000000\n", values.time))
    }),
    text("senml, JSON", ("s/{x}", "s/x"), ("format = \"senml\"", "bench"), 8, |values| same(senml(values))),
    Case {
        target: None,
        ..text("senml, CBOR", ("sc/{x}", "sc/x"), ("format = \"senml\"", "bench"), 8, |values| Made {
            payload: senml_cbor(values),
            json: Some(senml(values).into()),
        })
    },
    text(
        "chirpstack",
        ("application/{application}/device/{device}/event/{event}", "application/a/device/d1/event/up"),
        ("format = \"chirpstack\"", "bench"),
        11,
        |values| same(chirpstack(values)),
    ),
    text(
        "things_stack",
        ("v3/{application}/devices/{device}/#", "v3/app1@ttn/devices/d1/up"),
        ("format = \"things_stack\"", "bench"),
        11,
        |values| same(things_stack(values)),
    ),
    text(
        "fiware_json, measures",
        ("/json/{secret}/{device}/#", "/json/4jggokgpepnvsb2uv4s40d59ov/d1/attrs"),
        ("format = \"fiware_json\"", "bench"),
        8,
        |values| {
            let members = values.joined(|name, value| format!("\"{name}\":\"{value}\""), ",");
            same(format!("{{\"TimeInstant\":\"{}\",{members}}}", values.iso()))
        },
    ),
    text(
        "fiware_json, an entity",
        ("ngsi/#", "ngsi/x"),
        ("format = \"fiware_json\"", "fiware"),
        8,
        |values| {
            let names =
                ["pm25", "pm10", "co2", "temperature", "pm1", "pressure", "windSpeed", "windDirection"];
            let attributes: Vec<_> = names
                .iter()
                .zip(values.of)
                .map(|(name, value)| {
                    format!("\"{name}\":{{\"type\":\"Number\",\"value\":{value},\"metadata\":{{}}}}")
                })
                .collect();
            same(format!(
                "{{\"id\":\"d1\",\"type\":\"AirQualityObserved\",\"dateObserved\":{{\"type\":\"DateTime\",\"value\":\"{}\",\
                 \"metadata\":{{}}}},\"location\":{{\"type\":\"geo:json\",\"value\":{{\"type\":\"Point\",\"coordinates\":[112.9,-7.6]}},\
                 \"metadata\":{{}}}},{}}}",
                values.iso(),
                attributes.join(",")
            ))
        },
    ),
    text(
        "antares",
        ("/oneM2M/req/{secret}/antares-cse/json", "/oneM2M/req/ab12:cd34/antares-cse/json"),
        ("format = \"antares\"", "bench"),
        8,
        |values| {
            let con = values.joined(|name, value| format!("\\\"{name}\\\":{value}"), ",");
            same(format!(
                "{{\"m2m:rqp\":{{\"fr\":\"ab12:cd34\",\"to\":\"/antares-cse/antares-id/Udara/d1\",\"op\":1,\"rqi\":123456,\
                 \"pc\":{{\"m2m:cin\":{{\"cnf\":\"message\",\"con\":\"{{{con}}}\"}}}},\"ty\":4}}}}"
            ))
        },
    ),
    text(
        "tasmota",
        ("tele/{device}/+", "tele/d1/SENSOR"),
        ("format = \"tasmota\"", "tasmota_weather"),
        6,
        |values| {
            let [illuminance, _, co2, temperature, humidity, pressure, ..] = values.of;
            let time = &values.iso()[..19];
            same(format!(
                "{{\"Time\":\"{time}\",\"BME280\":{{\"Temperature\":{temperature},\"Humidity\":{humidity},\"DewPoint\":21.5,\
                 \"Pressure\":{pressure}}},\"SCD40\":{{\"CarbonDioxide\":{co2}}},\"BH1750\":{{\"Illuminance\":{illuminance}}},\
                 \"PressureUnit\":\"hPa\",\"TempUnit\":\"C\"}}"
            ))
        },
    ),
    text(
        "sensor_community",
        ("luft/all", "luft/all"),
        ("format = \"sensor_community\"", "sensor_community"),
        6,
        |values| {
            let [p2, p1, _, temperature, humidity, pressure, ..] = values.of;
            let one = |name: &str, value: f64| format!("{{\"value_type\":\"{name}\",\"value\":\"{value}\"}}");
            let all = [
                one("SDS_P1", p1),
                one("SDS_P2", p2),
                one("BME280_temperature", temperature),
                one("BME280_humidity", humidity),
                one("BME280_pressure", pressure * 100.0),
                one("samples", 5_061_820.0),
                one("min_micro", 28.0),
                one("max_micro", 20_023.0),
                one("signal", -85.0),
            ];
            same(format!(
                "{{\"esp8266id\":\"3394227\",\"software_version\":\"NRZ-2020-133\",\"sensordatavalues\":[{}]}}",
                all.join(",")
            ))
        },
    ),
    text(
        "zigbee2mqtt",
        ("zigbee2mqtt/#", "zigbee2mqtt/d1"),
        ("format = \"zigbee2mqtt\"", "zigbee2mqtt"),
        6,
        |values| {
            let [.., temperature, humidity, pressure, _, _] = values.of;
            same(format!(
                "{{\"battery\":97,\"humidity\":{humidity},\"last_seen\":\"{}\",\"linkquality\":120,\"pressure\":{pressure},\
                 \"temperature\":{temperature},\"voltage\":2995}}",
                values.iso()
            ))
        },
    ),
    text(
        "shelly",
        ("{device}/events/rpc", "d1/events/rpc"),
        ("format = \"shelly\"", "shelly_weather"),
        6,
        |values| {
            let [.., temperature, humidity, _, _, battery] = values.of;
            same(format!(
                "{{\"src\":\"shellyplusht-b8d61a8b17cc\",\"dst\":\"d1/events\",\"method\":\"NotifyFullStatus\",\"params\":{{\"ts\":{}.62,\
                 \"ble\":{{}},\"cloud\":{{\"connected\":false}},\"devicepower:0\":{{\"id\":0,\"battery\":{{\"V\":{battery},\"percent\":80}},\
                 \"external\":{{\"present\":true}}}},\"ht_ui\":{{}},\"humidity:0\":{{\"id\":0,\"rh\":{humidity}}},\"mqtt\":{{\"connected\":true}},\
                 \"sys\":{{\"mac\":\"B8D61A8B17CC\",\"restart_required\":false,\"time\":null,\"unixtime\":null,\"uptime\":3,\"ram_size\":235300,\
                 \"ram_free\":145000}},\"temperature:0\":{{\"id\":0,\"tC\":{temperature},\"tF\":67.6}},\
                 \"wifi\":{{\"sta_ip\":\"192.168.3.183\",\"status\":\"got ip\",\"ssid\":\"a\",\"rssi\":-60}}}}}}",
                values.time
            ))
        },
    ),
    text(
        "airgradient",
        ("airgradient/readings/{device}", "airgradient/readings/d1"),
        ("format = \"airgradient\"", "airgradient"),
        7,
        |values| {
            let [pm25, pm10, co2, temperature, humidity, ..] = values.of;
            same(format!(
                "{{\"wifi\":-46,\"serialno\":\"d1\",\"rco2\":{co2},\"pm01\":3,\"pm02\":{pm25},\"pm10\":{pm10},\"pm003Count\":442,\
                 \"atmp\":25.87,\"atmpCompensated\":{temperature},\"rhum\":43,\"rhumCompensated\":{humidity},\"tvocIndex\":100,\
                 \"tvocRaw\":33051,\"noxIndex\":1,\"noxRaw\":16307,\"boot\":6,\"bootCount\":6,\"ledMode\":\"pm\",\"firmware\":\"3.1.3\",\
                 \"model\":\"I-9PSL\",\"monitorDisplayCompensatedValues\":true}}"
            ))
        },
    ),
    text(
        "sensorthings",
        ("v1.1/#", "v1.1/Datastreams(5)/Observations"),
        ("format = \"sensorthings\"", "sensorthings_air_temperature"),
        1,
        |values| {
            same(format!(
                "{{\"phenomenonTime\":\"{}\",\"resultTime\":null,\"result\":{},\"@iot.id\":1717,\
                 \"@iot.selfLink\":\"http://localhost/v1.1/Observations(1717)\",\
                 \"Datastream@iot.navigationLink\":\"http://localhost/v1.1/Observations(1717)/Datastream\"}}",
                values.iso(),
                values.of[3]
            ))
        },
    ),
    text(
        "smart_citizen, a batch",
        ("device/sck/+/readings", "device/sck/aaaaaa/readings"),
        ("format = \"smart_citizen\"\nkits = [{ device = \"d1\", token = \"aaaaaa\" }]", "smart_citizen"),
        24,
        |values| {
            let mut entries = Vec::new();
            for _ in 0..3 {
                values.next();
                let sensors: Vec<_> = SENSORS
                    .iter()
                    .zip(values.of)
                    .map(|(id, value)| format!("{{\"id\":{id},\"value\":{value}}}"))
                    .collect();
                let time = values.iso().replace('T', " ");
                entries.push(format!(
                    "{{\"recorded_at\":\"{}\",\"sensors\":[{}]}}",
                    &time[..19],
                    sensors.join(",")
                ));
            }
            same(format!("{{\"data\":[{}]}}", entries.join(",")))
        },
    ),
    text(
        "smart_citizen, raw",
        ("device/sck/+/readings/raw", "device/sck/aaaaaa/readings/raw"),
        ("format = \"smart_citizen\"\nkits = [{ device = \"d1\", token = \"aaaaaa\" }]", "smart_citizen"),
        8,
        |values| {
            let pairs: Vec<_> =
                SENSORS.iter().zip(values.of).map(|(id, value)| format!("{id}:{value}")).collect();
            values.beside(format!("{{t:{},{}}}", values.iso(), pairs.join(",")))
        },
    ),
    text(
        "value",
        ("v/{device}/temperature", "v/d1/temperature"),
        ("format = \"value\"\nname = \"temperature\"", "bench"),
        1,
        |values| Made {
            payload: values.of[3].to_string().into(),
            json: Some(format!("{{\"temperature\":{}}}", values.of[3]).into()),
        },
    ),
    Case {
        target: Some(0.3),
        ..text(
            "cayenne_lpp",
            ("lpp/{device}", "lpp/d1"),
            ("format = \"cayenne_lpp\"", "bench_lpp"),
            8,
            |values| {
                let mut frame = Vec::new();
                let mut add = |channel: u8, kind: u8, bytes: &[u8]| {
                    frame.extend_from_slice(&[channel, kind]);
                    frame.extend_from_slice(bytes);
                };
                let [pm25, pm10, co2, temperature, humidity, pressure, wind, battery] = values.of;
                let scaled = |value: f64, by: f64| ((value * by) as u16).to_be_bytes();
                add(1, 2, &scaled(pm25, 100.0));
                add(2, 2, &scaled(pm10, 100.0));
                add(3, 125, &scaled(co2, 1.0));
                add(4, 103, &scaled(temperature, 10.0));
                add(5, 104, &[(humidity * 2.0) as u8]);
                add(6, 115, &scaled(pressure, 10.0));
                add(7, 2, &scaled(wind, 100.0));
                add(8, 116, &scaled(battery, 100.0));
                Made { payload: frame, json: Some(values.json()) }
            },
        )
    },
    text(
        "auto, of Tasmota",
        ("auto/tele/{device}/+", "auto/tele/d1/SENSOR"),
        ("format = \"auto\"", "tasmota_weather"),
        4,
        |values| {
            let [_, _, _, temperature, humidity, pressure, ..] = values.of;
            let time = &values.iso()[..19];
            same(format!(
                "{{\"Time\":\"{time}\",\"BME280\":{{\"Temperature\":{temperature},\"Humidity\":{humidity},\"DewPoint\":21.5,\
                 \"Pressure\":{pressure}}},\"PressureUnit\":\"hPa\",\"TempUnit\":\"C\"}}"
            ))
        },
    ),
    Case {
        target: None,
        ..text(
            "chirpstack_protobuf",
            (
                "application/{application}/protobuf/{device}/event/{event}",
                "application/a/protobuf/d1/event/up",
            ),
            ("format = \"chirpstack_protobuf\"", "bench"),
            11,
            |values| Made { payload: chirpstack_protobuf(values), json: Some(chirpstack(values).into()) },
        )
    },
    Case {
        target: None,
        ..text(
            "sparkplug_b, a birth",
            ("spBv1.0/#", "spBv1.0/kota/NBIRTH/d1"),
            ("format = \"sparkplug_b\"", "bench"),
            9,
            |values| Made { payload: sparkplug_birth(values), json: Some(values.json()) },
        )
    },
];

const SENSORS: [u32; 8] = [87, 88, 89, 55, 56, 14, 53, 10];

fn senml(values: &Values) -> String {
    let mut pack = format!("[{{\"bn\":\"urn:dev:mac:0024befffe804ff1:\",\"bt\":{},", values.time);
    for (index, ((name, value), unit)) in values.pairs().zip(UNITS).enumerate() {
        let start = if index == 0 { "" } else { "{" };
        let _ = write!(pack, "{start}\"n\":\"{name}\",\"u\":\"{unit}\",\"v\":{value}}},");
    }
    pack.pop();
    pack.push(']');
    pack
}

fn senml_cbor(values: &Values) -> Vec<u8> {
    let mut pack = Encoder::new(Vec::new());
    let mut write = || {
        pack.array(8)?;
        for (index, ((name, value), unit)) in values.pairs().zip(UNITS).enumerate() {
            pack.map(if index == 0 { 5 } else { 3 })?;
            if index == 0 {
                pack.i8(-2)?.str("urn:dev:mac:0024befffe804ff1:")?.i8(-3)?.i64(values.time)?;
            }
            pack.u8(0)?.str(name)?.u8(1)?.str(unit)?.u8(2)?.f64(value)?;
        }
        Ok::<_, minicbor::encode::Error<std::convert::Infallible>>(())
    };
    write().expect("memory");
    pack.into_writer()
}

fn chirpstack(values: &Values) -> String {
    format!(
        "{{\"deduplicationId\":\"3ac7e3c4-4401-4b8d-9386-a5c902f9202d\",\"time\":\"{}\",\"deviceInfo\":{{\
         \"tenantId\":\"52f14cd4-c6f1-4fbd-8f87-4025e1d49242\",\"tenantName\":\"ChirpStack\",\
         \"applicationId\":\"17c82e96-be03-4f38-aef3-f83d48582d97\",\"applicationName\":\"Test application\",\
         \"deviceProfileId\":\"14855bf7-d10d-4aee-b618-ebfcb64dc7ad\",\"deviceProfileName\":\"Test device-profile\",\
         \"deviceName\":\"Test device\",\"devEui\":\"d1\",\"tags\":{{\"key\":\"value\"}}}},\"devAddr\":\"00189440\",\"dr\":1,\
         \"fCnt\":7,\"fPort\":1,\"data\":\"qgECAwQFBgcICQ==\",\"object\":{{{}}},\"rxInfo\":[{{\"gatewayId\":\"0016c001f153a14c\",\
         \"uplinkId\":4217106255,\"rssi\":-36,\"snr\":10.5,\"context\":\"E3OWOQ==\",\"metadata\":{{\"region_name\":\"eu868\",\
         \"region_common_name\":\"EU868\"}}}}],\"txInfo\":{{\"frequency\":867100000,\"modulation\":{{\"lora\":{{\"bandwidth\":125000,\
         \"spreadingFactor\":11,\"codeRate\":\"CR_4_5\"}}}}}}}}",
        values.iso(),
        values.members()
    )
}

fn things_stack(values: &Values) -> String {
    format!(
        "{{\"end_device_ids\":{{\"device_id\":\"d1\",\"application_ids\":{{\"application_id\":\"app1\"}},\"dev_eui\":\
         \"0004A30B001C0530\",\"join_eui\":\"800000000000000C\",\"dev_addr\":\"00BCB929\"}},\"correlation_ids\":[\"as:up:01E0WZGT\"],\
         \"received_at\":\"{0}\",\"uplink_message\":{{\"session_key_id\":\"AXA50tHUGUucuzS/bCGMNw==\",\"f_port\":1,\"f_cnt\":3,\
         \"frm_payload\":\"gkHe\",\"decoded_payload\":{{{1}}},\"rx_metadata\":[{{\"gateway_ids\":{{\"gateway_id\":\"gtw1\",\
         \"eui\":\"9C5C8E00001A05C4\"}},\"time\":\"{0}\",\"timestamp\":2463457000,\"rssi\":-35,\"channel_rssi\":-35,\"snr\":5,\
         \"uplink_token\":\"ChIKEAoEZ3R3MRIInFyOAAAaBcQQ6L3Ulgk=\"}}],\"settings\":{{\"data_rate\":{{\"lora\":{{\"bandwidth\":125000,\
         \"spreading_factor\":7}}}},\"coding_rate\":\"4/6\",\"frequency\":\"868300000\",\"timestamp\":2463457000}},\
         \"consumed_airtime\":\"0.056576s\",\"received_at\":\"{0}\"}}}}",
        values.iso(),
        values.members()
    )
}

/// Protocol buffers, as far as these messages need them.
#[derive(Default)]
struct Proto(Vec<u8>);

impl Proto {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn number(mut self, field: u64, number: u64) -> Self {
        self.varint(field << 3);
        self.varint(number);
        self
    }

    fn double(mut self, field: u64, number: f64) -> Self {
        self.varint(field << 3 | 1);
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    fn float(mut self, field: u64, number: f32) -> Self {
        self.varint(field << 3 | 5);
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }
}

/// The same uplink as in JSON: `UplinkEvent` of the integration's definition.
fn chirpstack_protobuf(values: &Values) -> Vec<u8> {
    let time = Proto::default().number(1, values.time as u64).0;
    let device = Proto::default()
        .bytes(1, b"52f14cd4-c6f1-4fbd-8f87-4025e1d49242")
        .bytes(2, b"ChirpStack")
        .bytes(3, b"17c82e96-be03-4f38-aef3-f83d48582d97")
        .bytes(4, b"Test application")
        .bytes(5, b"14855bf7-d10d-4aee-b618-ebfcb64dc7ad")
        .bytes(6, b"Test device-profile")
        .bytes(7, b"Test device")
        .bytes(8, b"d1")
        .0;
    let object = values.pairs().fold(Proto::default(), |all, (name, value)| {
        let value = Proto::default().double(2, value).0;
        all.bytes(1, &Proto::default().bytes(1, name.as_bytes()).bytes(2, &value).0)
    });
    let gateway = Proto::default().bytes(1, b"0016c001f153a14c").number(6, -36_i64 as u64).float(7, 10.5).0;
    Proto::default()
        .bytes(1, b"3ac7e3c4-4401-4b8d-9386-a5c902f9202d")
        .bytes(2, &time)
        .bytes(3, &device)
        .bytes(4, b"00189440")
        .number(6, 1)
        .number(7, 7)
        .number(8, 1)
        .bytes(10, &[0xaa, 1, 2, 3, 4, 5, 6, 7, 8, 9])
        .bytes(11, &object.0)
        .bytes(12, &gateway)
        .0
}

/// The first message of a node: each metric by name, as a double.
fn sparkplug_birth(values: &Values) -> Vec<u8> {
    let time = values.time as u64 * 1000;
    let head = Proto::default().number(1, time);
    let head =
        head.bytes(2, &Proto::default().bytes(1, b"bdSeq").number(3, time).number(4, 8).number(11, 3).0);
    let all = values.pairs().fold(head, |all, (name, value)| {
        all.bytes(
            2,
            &Proto::default().bytes(1, name.as_bytes()).number(3, time).number(4, 10).double(13, value).0,
        )
    });
    all.number(3, 0).0
}
