//! What else a pack may hold: base fields, times, sums, names, numbers, and what the RFC leaves open.

use super::*;

fn check(pack: &str, expected: &[&str]) {
    assert_eq!(told(pack), expected, "{pack}");
}

#[test]
fn each_base_field_holds_until_it_is_replaced_by_itself() {
    check(
        r#"[{"bn":"a:","bt":1320000000,"bu":"Cel","n":"x","v":1},{"bn":"b:","n":"x","v":2},
            {"bu":"K","n":"x","v":3},{"bt":1320000060,"n":"x","v":4},{"n":"x","u":"V","v":5},{"n":"x","v":6,"t":1}]"#,
        &[
            "a @1320000000: x=1 Cel",
            "b @1320000000: x=2 Cel, x=3 K",
            "b @1320000060: x=4 K, x=5 V",
            "b @1320000061: x=6 K",
        ],
    );
    // Also those of a record that says nothing itself.
    check(r#"[{"bn":"a:"},{"bu":"V"},{"bt":1320000000},{"n":"x","v":1}]"#, &["a @1320000000: x=1 V"]);
    // A base of nothing takes the earlier one away.
    check(
        r#"[{"bn":"a:","bu":"V","n":"x","v":1},{"bn":"b:","bu":"","n":"x","v":2}]"#,
        &["a @now: x=1 V", "b @now: x=2 -"],
    );
    // The order of members does not matter.
    check(r#"[{"v":1,"n":"x","bn":"a:","t":1,"bt":1320000000}]"#, &["a @1320000001: x=1 -"]);
}

#[test]
fn a_base_value_is_added_as_decimals_are() {
    check(r#"[{"bn":"a:","bv":20,"n":"x","v":0.35},{"n":"y","v":-0.3}]"#, &["a @now: x=20.35 -, y=19.7 -"]);
    check(r#"[{"bn":"a:","bv":0.1,"n":"x","v":0.2}]"#, &["a @now: x=0.3 -"]);
    // A missing value is 0 beside a base value, but text and truth have nothing to add to.
    check(
        r#"[{"bn":"a:","bv":20},{"n":"x"},{"n":"y","vs":"z"},{"n":"w","vb":true},{"n":"v","vd":""}]"#,
        &["a @now: x=20 -, y='z' -, w=true -, v='' -"],
    );
    // Nothing but base fields is no measurement, even with a value among them.
    check(r#"[{"bn":"a:x","bv":20},{"v":1}]"#, &["a @now: x=21 -"]);
}

#[test]
fn sums_are_readings_of_their_own_in_the_unit_times_seconds() {
    check(
        r#"[{"bn":"meter/7/","bs":100,"bv":5,"n":"power","u":"W","s":2,"v":1}]"#,
        &["meter/7 @now: power.sum=102 W.s, power=6 W"],
    );
    check(r#"[{"n":"a:x","s":2.5}]"#, &["a @now: x.sum=2.5 -"]);
    check(r#"[{"bn":"a:","bu":"A","bs":0.1},{"n":"x","s":0.2}]"#, &["a @now: x.sum=0.3 A.s"]);
    // A base sum is for all that come after, but there is no integral of text.
    check(
        r#"[{"bn":"a:","bs":7,"n":"x","v":1},{"n":"y","vs":"z"},{"n":"w","vs":"z","s":1}]"#,
        &["a @now: x.sum=7 -, x=1 -, y='z' -, w.sum=8 -, w='z' -"],
    );
    check(r#"[{"n":"urn:dev:ow:1","u":"W","s":3}]"#, &["urn:dev:ow:1 @now: W.sum=3 W.s"]);
}

#[test]
fn times_below_2_to_the_28_are_relative_to_the_receipt() {
    let at = |time: &str, expected: &str| {
        check(&format!(r#"[{{"n":"a:x","v":1,{time}}}]"#), &[&format!("a @{expected}: x=1 -")]);
    };
    at(r#""t":0"#, "now");
    at(r#""t":-0.0"#, "now");
    at(r#""bt":5,"t":-5"#, "now");
    at(r#""t":-60"#, "1795496340");
    at(r#""t":-0.5"#, "1795496399.5");
    at(r#""t":60"#, "1795496460");
    at(r#""bt":-100,"t":40"#, "1795496340");
    at(r#""t":268435455"#, "2063931855");
    at(r#""t":268435455.999999"#, "2063931855.999999");
    at(r#""t":268435456"#, "268435456");
    // The sum of two relative times is absolute where it reaches 2^28, as the RFC warns.
    at(r#""bt":268435455,"t":1"#, "268435456");
    at(r#""bt":268435456,"t":-1"#, "2063931855");
    at(r#""t":-1e9"#, "795496400");
    at(r#""bt":1.320078429e+09,"t":0.000001"#, "1320078429.000001");
    // Half a microsecond is beyond what is kept.
    at(r#""bt":1320078429,"t":0.0000001"#, "1320078429");
}

#[test]
fn what_is_resolved_stands_in_order_of_time_with_now_at_now() {
    check(
        r#"[{"bn":"a:","n":"x","v":3},{"n":"x","v":4,"t":5},{"n":"x","v":1,"t":-10},{"n":"y","v":2,"t":-10},
            {"bn":"b:","n":"x","v":9,"t":-20}]"#,
        &["a @1795496390: x=1 -, y=2 -", "a @now: x=3 -", "a @1795496405: x=4 -", "b @1795496380: x=9 -"],
    );
}

#[test]
fn names_may_be_base_only_and_readings_then_are_called_by_unit() {
    check(
        r#"[{"bn":"urn:dev:mac:0024befffe804ff1_temp","u":"Cel","v":1}]"#,
        &["urn:dev:mac:0024befffe804ff1 @now: temp=1 Cel"],
    );
    check(r#"[{"bn":"ws-07:","u":"Cel","v":1},{"v":2}]"#, &["ws-07 @now: Cel=1 Cel, value=2 -"]);
    check(r#"[{"bn":"a","n":"b","v":1}]"#, &["- @now: ab=1 -"]);
    check(r#"[{"bn":"","n":"b","v":1}]"#, &["- @now: b=1 -"]);
    check(r#"[{"n":"0-9.A_z/x","v":1}]"#, &["0-9.A_z @now: x=1 -"]);
    // Escapes are characters as any.
    check(r#"[{"bn":"\u0061:","n":"\u0078","v":1,"u":"\u0056"}]"#, &["a @now: x=1 V"]);
}

#[test]
fn percent_is_a_ratio_and_has_its_own_names() {
    check(
        r#"[{"bn":"a:","n":"x","u":"%","v":0.5},{"n":"y","u":"%RH","v":50},{"n":"z","u":"/100","v":50}]"#,
        &["a @now: x=0.5 /, y=50 %RH, z=50 /100"],
    );
    check(r#"[{"bn":"a:","u":"%","v":0.5}]"#, &["a @now: %=0.5 /"]);
}

#[test]
fn unknown_labels_and_update_times_are_passed_over() {
    check(
        r#"[{"n":"a:x","v":1,"ut":30,"l":"<x>","foo":[1,{"v":2,"x_":{}}],"bfoo":null,"_":1e5,"":{}}]"#
            .replace(r#""_":1e5,"#, "")
            .as_str(),
        &["a @now: x=1 -"],
    );
    check(r#"[{"n":"a:x","v":1,"foo":1,"foo":2,"ut":-1.5}]"#, &["a @now: x=1 -"]);
}

#[test]
fn versions_up_to_ten_and_that_of_secondary_units_are_understood() {
    for version in ["1", "5", "10", "10.0", "1e1", "26"] {
        check(
            &format!(r#"[{{"n":"a:x","v":1,"bver":{version}}},{{"n":"a:y","v":2}}]"#),
            &["a @now: x=1 -, y=2 -"],
        );
    }
    check(r#"[{"n":"a:x","v":1},{"n":"a:y","v":2,"bver":10}]"#, &["a @now: x=1 -, y=2 -"]);
    check(r#"[{"bver":5,"n":"a:x","v":1},{"n":"a:y","v":2,"bver":5}]"#, &["a @now: x=1 -, y=2 -"]);
}

#[test]
fn numbers_are_doubles() {
    for (number, expected) in [
        ("1.10", "1.1"),
        ("0.14e1", "1.4"),
        ("14E-1", "1.4"),
        ("9007199254740993", "9007199254740992"),
        ("123456789012345678901234567890", "123456789012345680000000000000"),
        ("1e-400", "0"),
        ("-0", "-0"),
        (
            "4.9e-324",
            "0.000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000005",
        ),
    ] {
        check(&format!(r#"[{{"n":"a:x","v":{number}}}]"#), &[&format!("a @now: x={expected} -")]);
    }
    // Two finite numbers may add up to none; the checks refuse the reading then, and it alone.
    check(r#"[{"bv":1.7e308,"n":"a:x","v":1.7e308}]"#, &["a @now: x=inf -"]);
}

#[test]
fn null_is_a_field_that_is_not_there() {
    check(
        r#"[{"bn":null,"bt":null,"n":"a:x","u":null,"v":1,"vs":null,"vb":null,"t":null,"s":null}]"#,
        &["a @now: x=1 -"],
    );
    check(r#"[{"n":"a:x","v":null},{"n":"a:y","vs":null,"bv":5}]"#, &["a @now: x=null -, y=null -"]);
    check(r#"[{"bn":"a:","n":null,"u":null},{"n":"x","v":1}]"#, &["a @now: x=1 -"]);
    check(r#"[{"n":"a:x","vs":null,"v":1}]"#, &["a @now: x=1 -"]);
}

#[test]
fn a_reading_told_twice_is_handed_on_twice_for_the_checks_to_judge() {
    check(r#"[{"n":"a:x","v":1},{"n":"a:x","v":2}]"#, &["a @now: x=1 -, x=2 -"]);
}

#[test]
fn packs_without_a_measurement_hold_nothing() {
    check(r#"[{"bn":"a:","bt":1320000000}]"#, &[]);
    check("[{}]", &[]);
}

#[test]
fn white_space_and_text_are_those_of_json() {
    check(
        " [ { \"n\" : \"a:x\" ,\r\n\t\"vs\" : \"\\\"\\u00b0\\ud83d\\ude00\\n\" } ] \n",
        &["a @now: x='\"°😀\n' -"],
    );
}
