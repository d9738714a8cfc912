//! Every JSON example of RFC 8428, each with what the RFC says of it.

use super::told;

fn check(pack: &str, expected: &[&str]) {
    assert_eq!(told(pack), expected, "{pack}");
}

const OW: &str = "urn:dev:ow:10e2073a01080063";

#[test]
fn section_1_and_5_1_1_a_single_data_point_is_taken_now() {
    check(
        r#"[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]"#,
        &[&format!("{OW} @now: Cel=23.1 Cel")],
    );
}

#[test]
fn section_2_a_base_name_says_the_same_as_the_name_each_time() {
    let long = r#"[
      {"n":"urn:dev:ow:10e2073a01080063","u":"Cel","t":1.276020076e+09, "v":23.5},
      {"n":"urn:dev:ow:10e2073a01080063","u":"Cel","t":1.276020091e+09, "v":23.6}
    ]"#;
    let short = r#"[
      {"bn":"urn:dev:ow:10e2073a01080063","u":"Cel","t":1.276020076e+09, "v":23.5},
      {"u":"Cel","t":1.276020091e+09, "v":23.6}
    ]"#;
    for pack in [long, short] {
        check(
            pack,
            &[&format!("{OW} @1276020076: Cel=23.5 Cel"), &format!("{OW} @1276020091: Cel=23.6 Cel")],
        );
    }
}

#[test]
fn section_5_1_2_several_data_points() {
    check(
        r#"[
          {"bn":"urn:dev:ow:10e2073a01080063:","n":"voltage","u":"V","v":120.1},
          {"n":"current","u":"A","v":1.2}
        ]"#,
        &[&format!("{OW} @now: voltage=120.1 V, current=1.2 A")],
    );
    // Tue Jun 8 18:01:16.001 UTC 2010 and each second of the five before, in order of time.
    check(
        r#"[
          {"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09, "bu":"A","bver":5,
           "n":"voltage","u":"V","v":120.1},
          {"n":"current","t":-5,"v":1.2},
          {"n":"current","t":-4,"v":1.3},
          {"n":"current","t":-3,"v":1.4},
          {"n":"current","t":-2,"v":1.5},
          {"n":"current","t":-1,"v":1.6},
          {"n":"current","v":1.7}
        ]"#,
        &[
            "urn:dev:ow:10e2073a0108006 @1276020071.001: current=1.2 A",
            "urn:dev:ow:10e2073a0108006 @1276020072.001: current=1.3 A",
            "urn:dev:ow:10e2073a0108006 @1276020073.001: current=1.4 A",
            "urn:dev:ow:10e2073a0108006 @1276020074.001: current=1.5 A",
            "urn:dev:ow:10e2073a0108006 @1276020075.001: current=1.6 A",
            "urn:dev:ow:10e2073a0108006 @1276020076.001: voltage=120.1 V, current=1.7 A",
        ],
    );
    // The stream, of which the RFC shows the beginning; closed it is a pack.
    check(
        r#"[
          {"bn":"urn:dev:ow:10e2073a01080063","bt":1.320067464e+09, "bu":"%RH","v":21.2},
          {"t":10,"v":21.3}, {"t":20,"v":21.4}, {"t":30,"v":21.4}, {"t":40,"v":21.5},
          {"t":50,"v":21.5}, {"t":60,"v":21.5}, {"t":70,"v":21.6}, {"t":80,"v":21.7}
        ]"#,
        &[
            &format!("{OW} @1320067464: %RH=21.2 %RH"),
            &format!("{OW} @1320067474: %RH=21.3 %RH"),
            &format!("{OW} @1320067484: %RH=21.4 %RH"),
            &format!("{OW} @1320067494: %RH=21.4 %RH"),
            &format!("{OW} @1320067504: %RH=21.5 %RH"),
            &format!("{OW} @1320067514: %RH=21.5 %RH"),
            &format!("{OW} @1320067524: %RH=21.5 %RH"),
            &format!("{OW} @1320067534: %RH=21.6 %RH"),
            &format!("{OW} @1320067544: %RH=21.7 %RH"),
        ],
    );
}

const MEASUREMENTS: &str = r#"[
  {"bn":"urn:dev:ow:10e2073a01080063","bt":1.320067464e+09, "bu":"%RH","v":20},
  {"u":"lon","v":24.30621},
  {"u":"lat","v":60.07965},
  {"t":60,"v":20.3},
  {"u":"lon","t":60,"v":24.30622},
  {"u":"lat","t":60,"v":60.07965},
  {"t":120,"v":20.7},
  {"u":"lon","t":120,"v":24.30623},
  {"u":"lat","t":120,"v":60.07966},
  {"u":"%EL","t":150,"v":98},
  {"t":180,"v":21.2},
  {"u":"lon","t":180,"v":24.30628},
  {"u":"lat","t":180,"v":60.07967}
]"#;

const RESOLVED: &str = r#"[
  {"n":"urn:dev:ow:10e2073a01080063","u":"%RH","t":1.320067464e+09, "v":20},
  {"n":"urn:dev:ow:10e2073a01080063","u":"lon","t":1.320067464e+09, "v":24.30621},
  {"n":"urn:dev:ow:10e2073a01080063","u":"lat","t":1.320067464e+09, "v":60.07965},
  {"n":"urn:dev:ow:10e2073a01080063","u":"%RH","t":1.320067524e+09, "v":20.3},
  {"n":"urn:dev:ow:10e2073a01080063","u":"lon","t":1.320067524e+09, "v":24.30622},
  {"n":"urn:dev:ow:10e2073a01080063","u":"lat","t":1.320067524e+09, "v":60.07965},
  {"n":"urn:dev:ow:10e2073a01080063","u":"%RH","t":1.320067584e+09, "v":20.7},
  {"n":"urn:dev:ow:10e2073a01080063","u":"lon","t":1.320067584e+09, "v":24.30623},
  {"n":"urn:dev:ow:10e2073a01080063","u":"lat","t":1.320067584e+09, "v":60.07966},
  {"n":"urn:dev:ow:10e2073a01080063","u":"%EL","t":1.320067614e+09, "v":98},
  {"n":"urn:dev:ow:10e2073a01080063","u":"%RH","t":1.320067644e+09, "v":21.2},
  {"n":"urn:dev:ow:10e2073a01080063","u":"lon","t":1.320067644e+09, "v":24.30628},
  {"n":"urn:dev:ow:10e2073a01080063","u":"lat","t":1.320067644e+09, "v":60.07967}
]"#;

#[test]
fn sections_5_1_3_and_5_1_4_a_pack_and_its_resolved_form_are_the_same() {
    for pack in [MEASUREMENTS, RESOLVED] {
        check(
            pack,
            &[
                &format!("{OW} @1320067464: %RH=20 %RH, lon=24.30621 lon, lat=60.07965 lat"),
                &format!("{OW} @1320067524: %RH=20.3 %RH, lon=24.30622 lon, lat=60.07965 lat"),
                &format!("{OW} @1320067584: %RH=20.7 %RH, lon=24.30623 lon, lat=60.07966 lat"),
                &format!("{OW} @1320067614: %EL=98 %EL"),
                &format!("{OW} @1320067644: %RH=21.2 %RH, lon=24.30628 lon, lat=60.07967 lat"),
            ],
        );
    }
}

#[test]
fn section_5_1_5_several_types() {
    check(
        r#"[
          {"bn":"urn:dev:ow:10e2073a01080063:","n":"temp","u":"Cel","v":23.1},
          {"n":"label","vs":"Machine Room"},
          {"n":"open","vb":false},
          {"n":"nfv-reader","vd":"aGkgCg"}
        ]"#,
        &[&format!("{OW} @now: temp=23.1 Cel, label='Machine Room' -, open=false -, nfv-reader='aGkgCg' -")],
    );
}

#[test]
fn section_5_1_6_a_collection_is_of_several_devices_and_keeps_the_base_time() {
    check(
        r#"[
          {"bn":"2001:db8::2/","bt":1.320078429e+09, "n":"temperature","u":"Cel","v":25.2},
          {"n":"humidity","u":"%RH","v":30},
          {"bn":"2001:db8::1/","n":"temperature","u":"Cel","v":12.3},
          {"n":"humidity","u":"%RH","v":67}
        ]"#,
        &[
            "2001:db8::1 @1320078429: temperature=12.3 Cel, humidity=67 %RH",
            "2001:db8::2 @1320078429: temperature=25.2 Cel, humidity=30 %RH",
        ],
    );
}

#[test]
fn section_5_1_7_what_is_set_is_read_like_what_is_measured() {
    check(
        r#"[
          {"bn":"urn:dev:ow:10e2073a01080063:"},
          {"n":"temp","u":"Cel","v":23.1},
          {"n":"heat","u":"/","v":1},
          {"n":"fan","u":"/","v":0}
        ]"#,
        &[&format!("{OW} @now: temp=23.1 Cel, heat=1 /, fan=0 /")],
    );
    check(
        r#"[
          {"bt":1.320078429e+09,"bu":"/","n":"2001:db8::3","v":1},
          {"n":"2001:db8::4","v":1}
        ]"#,
        &["2001:db8::3 @1320078429: /=1 /", "2001:db8::4 @1320078429: /=1 /"],
    );
    check(
        r#"[
          {"bt":1.320078429e+09,"bu":"/","n":"2001:db8::3","v":0.5},
          {"n":"2001:db8::4","v":0.5},
          {"n":"2001:db8::3","t":0.1,"v":0},
          {"n":"2001:db8::4","t":0.1,"v":0}
        ]"#,
        &[
            "2001:db8::3 @1320078429: /=0.5 /",
            "2001:db8::3 @1320078429.1: /=0 /",
            "2001:db8::4 @1320078429: /=0.5 /",
            "2001:db8::4 @1320078429.1: /=0 /",
        ],
    );
}
