//! What each codec may and may not do.

use super::*;

fn codecs(source: &str) -> Codecs {
    let mut codecs =
        Codecs::new(Limits { max_steps: 200_000, max_time: Duration::from_secs(60), ..Limits::default() });
    codecs.add("c.js", source).unwrap_or_else(|wrong| panic!("{wrong}"));
    codecs
}

fn input(bytes: &[u8]) -> Input<'_> {
    Input { bytes, port: 7, received_ms: 1_784_535_255_250.0, variables: "" }
}

fn data(source: &str) -> String {
    match codecs(source).call("c.js", &input(&[1, 2])) {
        Ok(output) => output.data,
        Err(fault) => panic!("{fault:?}: {source}"),
    }
}

#[test]
fn a_global_written_in_one_call_is_not_there_in_the_next() {
    let shared = [
        "function decodeUplink(i) { var was = typeof leak; leak = 1; return {data: {was: was}}; }",
        "var count = 0; function decodeUplink(i) { count += 1; return {data: {was: count}}; }",
        "let count = 0; const kept = {}; function decodeUplink(i) { kept.n = (kept.n || 0) + 1; return {data: {was: kept.n}}; }",
        "var decodeUplink = (function () { var n = 0; return function () { n++; return {data: {was: n}}; }; })();",
        "function decodeUplink(i) { var was = typeof globalThis.x; Object.defineProperty(globalThis, 'x', {value: 1}); return {data: {was: was}}; }",
        "function decodeUplink(i) { var was = typeof globalThis.x; globalThis[Symbol.for('x')] = 1; this.x = 2; return {data: {was: was}}; }",
        "function decodeUplink(i) { var was = typeof ({}).x; try { Object.prototype.x = 1; } catch (e) {} return {data: {was: was}}; }",
        "function decodeUplink(i) { var was = typeof x; Object.setPrototypeOf(globalThis, {x: 1}); return {data: {was: was}}; }",
        "function decodeUplink(i) { var was = typeof exports.x; exports.x = 1; module.exports = {x: 1}; return {data: {was: was}}; }",
        "function decodeUplink(i) { var was = typeof x; eval('var x = 1'); (0, eval)('var x = 2; function y() {}'); return {data: {was: was}}; }",
        "function decodeUplink(i) { var was = new Date(2000, 0).getTime(); Date.prototype.getTime = function () { return 1; }; return {data: {was: was}}; }",
        "function decodeUplink(i) { var was = [3].map(String)[0]; Array.prototype.map = null; Math.floor = null; return {data: {was: was + Math.floor(1.5)}}; }",
        "function decodeUplink(i) { var was = typeof console.x; console.x = 1; Buffer.x = 1; return {data: {was: was + typeof Buffer.x}}; }",
        "function decodeUplink(i) { var g = Object.getPrototypeOf(function* () {}); var was = typeof g.x; g.x = 1; return {data: {was: was}}; }",
        "String.prototype.last = function () { return this[this.length - 1]; };\n\
         function decodeUplink(i) { var was = typeof ''.x; String.prototype.x = 1; return {data: {was: was + 'ab'.last()}}; }",
    ];
    for source in shared {
        let codecs = codecs(source);
        let first = codecs.call("c.js", &input(&[1])).unwrap_or_else(|fault| panic!("{fault:?} {source}"));
        for _ in 0..3 {
            assert_eq!(codecs.call("c.js", &input(&[1])), Ok(first.clone()), "{source}");
        }
    }
}

#[test]
fn hostile_scripts_are_stopped_and_the_next_uplink_is_right() {
    let bad = [
        ("for (;;) {}", FaultKind::Steps),
        ("while (true) { try { null.x } catch (e) {} }", FaultKind::Steps),
        ("try { for (;;) {} } finally { for (;;) {} }", FaultKind::Steps),
        ("(function f() { f(); })()", FaultKind::Stack),
        ("var a = []; for (;;) a.push(new Array(1000).fill(1.5))", FaultKind::Memory),
        ("var s = 'x'; for (;;) s += s", FaultKind::Thrown),
        ("new Uint8Array(1e9)", FaultKind::Memory),
        ("/(a+)+b/.test('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')", FaultKind::Steps),
        ("throw 'a plain text'", FaultKind::Thrown),
        ("throw null", FaultKind::Thrown),
        ("throw {toString: function () { throw 1; }}", FaultKind::Thrown),
        ("return {data: {x: 'y'.repeat(100000)}}", FaultKind::Thrown),
        ("var d = {}; d.d = d; return {data: d}", FaultKind::Thrown),
        ("return {data: {get x() { throw new Error('from a getter'); }}}", FaultKind::Thrown),
        ("return {get data() { for (;;) {} }}", FaultKind::Steps),
        ("return {data: {toJSON: function () { for (;;) {} }}}", FaultKind::Steps),
        ("return new Promise(function () {})", FaultKind::Thrown),
        (
            "return new Promise(function f(done) { Promise.resolve().then(function g() { Promise.resolve().then(g); }); })",
            FaultKind::Thrown,
        ),
        ("Object.prototype.toJSON = function () { return 'polluted'; }; return undefined", FaultKind::Thrown),
        ("Object.defineProperty(globalThis, 'exports', {value: 1}); return null", FaultKind::Thrown),
        ("[].indexOf.call({length: 9007199254740991}, 1)", FaultKind::Thrown),
        ("var a = []; a.length = 4294967295; a.sort()", FaultKind::Thrown),
        ("return {data: 5}", FaultKind::Thrown),
        ("return {errors: ['no frame of mine']}", FaultKind::Thrown),
        (
            "globalThis.Date = null; return Reflect.ownKeys(new Proxy({}, {ownKeys: function () { throw 2; }}))",
            FaultKind::Thrown,
        ),
    ];
    for (body, kind) in bad {
        let source = format!(
            "function decodeUplink(i) {{ if (i.bytes[0] === 1) {{ {body} }} return {{data: {{sum: i.bytes[0] + i.bytes[1]}}}}; }}"
        );
        let codecs = codecs(&source);
        for round in 0..3 {
            let fault = codecs.call("c.js", &input(&[1, 0])).expect_err(body);
            assert_eq!(fault.kind, kind, "{body}: round {round}: {}", fault.text);
            let right =
                codecs.call("c.js", &input(&[20, 22])).unwrap_or_else(|fault| panic!("{body}: {fault:?}"));
            assert_eq!(right.data, "{\"sum\":42}", "{body}");
        }
    }
}

#[test]
fn the_limit_of_steps_is_the_same_however_used_the_context_is() {
    // Loops that end just below and just above the limit, after any number of other uplinks.
    let source = "function decodeUplink(i) { var n = i.bytes[0] * 1000 + i.bytes[1] * 10; for (var k = 0; k < n; k++) {} return {data: {n: n}}; }";
    let codecs = codecs(source);
    let kinds =
        |codecs: &Codecs, bytes: &[u8]| codecs.call("c.js", &input(bytes)).map_err(|fault| fault.kind);
    let mut verdicts = Vec::new();
    for wanted in 97..=102_u8 {
        let alone = self::codecs(source);
        verdicts.push(kinds(&alone, &[wanted, 0]).is_ok());
    }
    assert!(verdicts.contains(&true) && verdicts.contains(&false), "{verdicts:?}");
    for round in 0..3_u8 {
        let _ = kinds(&codecs, &[0, round.wrapping_mul(37)]);
        for (wanted, alone) in (97..=102_u8).zip(&verdicts) {
            assert_eq!(kinds(&codecs, &[wanted, 0]).is_ok(), *alone, "{wanted} round {round}");
        }
    }
}

#[test]
fn there_is_no_clock_but_the_time_of_receipt_and_it_is_utc() {
    // 2026-07-20T08:14:15.250Z
    let source = "function decodeUplink(i) { var d = new Date(); return {data: {
        now: Date.now(), same: +d === +i.recvTime, date: i.recvTime instanceof Date, h: d.getHours(), z: d.getTimezoneOffset(),
        s: String(d), c: Date().slice(0, 3), l: d.toLocaleString(), y: new Date(2020, 1, 29, 12).toISOString(),
        t: Date.parse('2020-02-29T12:00:00'), u: Date.parse('Feb 29, 2020 12:00:00'), o: Date.parse('2020-02-29T12:00:00+07:00'),
        j: JSON.stringify(d), r: Math.random() === Math.random(), p: typeof performance, n: new Date('x').getHours(),
        k: (function () { var e = new Date(0); e.setHours(5); return e.toISOString(); })(), q: new Date(d).getTime() === d.getTime()
    }}; }";
    let told: serde_json::Value = serde_json::from_str(&data(source)).unwrap();
    let expected = serde_json::json!({
        "now": 1_784_535_255_250_i64, "same": true, "date": true, "h": 8, "z": 0,
        "s": "Mon Jul 20 2026 08:14:15 GMT+0000", "c": "Mon", "l": "07/20/2026, 08:14:15 AM", "y": "2020-02-29T12:00:00.000Z",
        "t": 1_582_977_600_000_i64, "u": 1_582_977_600_000_i64, "o": 1_582_952_400_000_i64,
        "j": "\"2026-07-20T08:14:15.250Z\"", "r": true, "p": "undefined", "n": null,
        "k": "1970-01-01T05:00:00.000Z", "q": true,
    });
    assert_eq!(told, expected);
}

#[test]
fn the_buffer_is_nodes_as_far_as_codecs_go() {
    let source = "function decodeUplink(i) { var b = Buffer.from('fe01c3a941480000ff', 'hex'); return {data: {
        n: b.length, i8: b.readInt8(0), u16: b.readUInt16BE(0), u16l: b.readUint16LE(0), i16: b.readInt16LE(0), u32: b.readUInt32BE(2),
        f: b.readFloatBE(4), u24: b.readUIntBE(0, 3), i24: b.readIntLE(6, 3), text: b.toString('utf8', 2, 4), hex: b.slice(1, 3).toString('hex'),
        b64: Buffer.from([1, 2, 3, 4]).toString('base64'), from64: Array.from(Buffer.from('AQIDBA==', 'base64')), c: Buffer.concat([Buffer.from([1]), Buffer.alloc(2, 7)]).toString('hex'),
        is: Buffer.isBuffer(b), utf: Buffer.from('é€😀').toString(), view: (function () { var a = Buffer.from([1, 2, 3]); a.slice(1)[0] = 9; return a[1]; })(),
        w: (function () { var a = Buffer.alloc(4); a.writeInt16BE(-2, 1); return a.toString('hex'); })(), d: Buffer.from([0, 0, 0, 0, 0, 0, 248, 63]).readDoubleLE(0),
        out: (function () { try { b.readUInt16BE(8); } catch (e) { return e.name; } })(), big: Number(Buffer.from('00000000000003e8', 'hex').readBigUInt64BE()),
        input: Buffer.from(i.bytes).toString('hex'), eq: Buffer.from([1]).equals(Buffer.from('01', 'hex'))
    }}; }";
    let told: serde_json::Value = serde_json::from_str(&data(source)).unwrap();
    let expected = serde_json::json!({
        "n": 9, "i8": -2, "u16": 0xfe01, "u16l": 0x01fe, "i16": 510, "u32": 0xc3a9_4148_u32, "f": 12.5, "u24": 0x00fe_01c3, "i24": -65536,
        "text": "é", "hex": "01c3", "b64": "AQIDBA==", "from64": [1, 2, 3, 4], "c": "010707", "is": true, "utf": "é€😀", "view": 9,
        "w": "00fffe00", "d": 1.5, "out": "RangeError", "big": 1000, "input": "0102", "eq": true,
    });
    assert_eq!(told, expected);
}

#[test]
fn faults_say_what_and_where() {
    let text = |source: &str| codecs(source).call("c.js", &input(&[1])).unwrap_err().text;
    let thrown = text(
        "// a codec\nfunction decodeUplink(i) {\n  return inner(i).data;\n}\nfunction inner(i) { throw new Error('short frame'); }",
    );
    assert_eq!(thrown, "Error: short frame (line 5)");
    assert_eq!(
        text("function decodeUplink(i) { return undefinedName; }"),
        "ReferenceError: undefinedName is not defined (line 1)"
    );
    assert_eq!(text("function decodeUplink(i) { return {errors: ['a', 'b']}; }"), "a; b");
    let add = |source: &str| Codecs::new(Limits::default()).add("c.js", source).unwrap_err();
    assert!(add("function decodeUplink( {").starts_with("c.js: "), "{}", add("function decodeUplink( {"));
    assert!(add("var x = 1;").contains("neither decodeUplink"));
    assert!(add("}); (function () {").starts_with("c.js: "));
    assert!(add("for (;;) {}").contains("max_steps"));
    assert!(add(&" ".repeat(MAX_SCRIPT + 1)).contains("bytes"));
}

#[test]
fn a_thread_that_hangs_in_a_built_in_operation_is_left_behind_and_others_go_on() {
    // One search of a text is one step to the engine, and this one takes seconds.
    let hang = "function decodeUplink(i) { if (i.bytes[0]) { 'a'.repeat(2e6).indexOf('a'.repeat(1e6) + 'b'); } return {data: {ok: 1}}; }";
    let mut codecs = Codecs::new(Limits { max_time: Duration::from_millis(300), ..Limits::default() });
    codecs.add("hang.js", hang).unwrap();
    codecs.add("good.js", "function Decoder(b, p) { return {n: b.length}; }").unwrap();
    let call = |codecs: &Codecs, name: &str, first: u8| codecs.call(name, &input(&[first, 0]));
    assert_eq!(call(&codecs, "hang.js", 1).unwrap_err().kind, FaultKind::Time);
    assert_eq!(call(&codecs, "good.js", 1).unwrap().data, "{\"n\":2}");
    assert_eq!(call(&codecs, "hang.js", 0).unwrap().data, "{\"ok\":1}");
    assert_eq!(call(&codecs, "hang.js", 1).unwrap_err().kind, FaultKind::Time);
    let off = call(&codecs, "hang.js", 1).unwrap_err();
    assert!(off.text.contains("switched off"), "{}", off.text);
    assert_eq!(call(&codecs, "good.js", 1).unwrap().data, "{\"n\":2}");
}

#[test]
fn vectors_are_read_in_all_published_shapes_and_wrong_ones_fail() {
    let mut codecs = Codecs::new(Limits::default());
    let source = "function decodeUplink(i) { if (i.fPort !== 2) return {errors: ['port']}; return {data: {t: ((i.bytes[0] << 8) | i.bytes[1]) / 10, v: i.variables.k, h: i.recvTime.getHours()}, warnings: ['w']}; }\n\
                  function normalizeUplink(i) { return {data: {air: {temperature: i.data.t}}}; }";
    codecs.add("c.js", source).unwrap();
    let verdicts = |text: &str| -> Vec<Verdict> {
        Vectors::parse(text).unwrap_or_else(|wrong| panic!("{wrong}: {text}")).judge(
            &codecs,
            "c.js",
            vectors::TOLERANCE,
        )
    };
    use super::vectors::{Vectors, Verdict};
    let right = [
        r#"[{"input": {"bytes": [1, 16], "fPort": 2, "recvTime": "2026-07-20T08:14:15Z", "variables": {"k": "x"}}, "output": {"data": {"t": 27.2, "v": "x", "h": 8}, "warnings": ["w"]}}]"#,
        r#"{"examples": [{"type": "uplink", "description": "d", "input": {"bytes": "01 10", "fPort": 2, "variables": {"k": 1}}, "output": {"data": {"t": 27.200000001, "v": 1, "h": 0}}, "normalizedOutput": {"data": {"air": {"temperature": 27.2}}}}]}"#,
        r#"{"tests": [{"name": "n", "input": {"bytes": "0110", "fPort": 3}, "expected": {"errors": ["port"]}}, {"type": "downlink-encode", "input": {}}]}"#,
    ];
    for text in right {
        assert!(verdicts(text).iter().all(|verdict| verdict.differences.is_empty()), "{:?}", verdicts(text));
    }
    let wrong = [
        (
            r#"[{"input": {"bytes": [1, 16], "fPort": 2, "variables": {"k": "x"}}, "output": {"data": {"t": 27.3, "v": "x", "h": 0}}}]"#,
            "data.t: expected 27.3, got 27.2",
        ),
        (r#"[{"input": {"bytes": [1, 16], "fPort": 3}, "output": {"data": {"t": 27.2}}}]"#, "failed: port"),
        (
            r#"[{"input": {"bytes": [1, 16], "fPort": 3}, "output": {"errors": ["other"]}}]"#,
            "errors[0]: expected \"other\", got \"port\"",
        ),
        (
            r#"[{"input": {"bytes": [1, 16], "fPort": 2}, "output": {"errors": ["port"]}}]"#,
            "expected the errors",
        ),
        (r#"[{"input": {"bytes": [1, 16], "fPort": 2}, "output": {"warnings": ["other"]}}]"#, "warnings[0]"),
        (
            r#"[{"input": {"bytes": [1, 16], "fPort": 2}, "output": {"warnings": ["w"]}, "normalizedOutput": {"data": {"air": {}}}}]"#,
            "normalized.air.temperature: got",
        ),
    ];
    for (text, expected) in wrong {
        let found = &verdicts(text)[0].differences;
        assert!(found.iter().any(|line| line.contains(expected)), "{found:?} {text}");
    }
    for (text, expected) in [
        ("{}", "no list of cases"),
        ("[]", "no case of an uplink"),
        ("[1]", "no object"),
        (r#"[{"input": {"bytes": "1"}, "output": {"data": {}}}]"#, "hex text"),
        (r#"[{"input": {"bytes": [256]}, "output": {"data": {}}}]"#, "0 to 255"),
        (r#"[{"input": {"bytes": []}}]"#, "no \"output\""),
        (r#"[{"input": {"bytes": [], "fPort": "x"}, "output": {}}]"#, "fPort"),
        ("[", "not valid JSON"),
    ] {
        let wrong = Vectors::parse(text).unwrap_err();
        assert!(wrong.contains(expected), "{wrong}: {text}");
    }
}
