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
        // The engine does the same when there is no room for an error.
        ("throw null", FaultKind::Memory),
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
            let threads = Threads::default();
            let mut brief = Calling::Briefly { threads: &threads, later: None };
            let answer = codecs.call_as("c.js", &input(&[1, 0]), &mut brief);
            let answer = brief.into_later().map_or(answer, |call| call.make());
            assert_eq!(answer.expect_err(body).kind, kind, "{body}: for a moment, then later");
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
    // Near the limit, wherever between two questions of the engine the used one stands.
    for fine in (0..=250_u8).step_by(25) {
        let alone = kinds(&self::codecs(source), &[99, fine]).is_ok();
        for before in 0..4_u8 {
            let _ = kinds(&codecs, &[1, before.wrapping_mul(61)]);
            assert_eq!(kinds(&codecs, &[99, fine]).is_ok(), alone, "{fine} after {before}");
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
fn built_ins_that_ask_nobody_pay_for_their_lengths_and_end_in_time() {
    let dag = "var a = []; for (var k = 0; k < 60; k++) a = [a, a]; ";
    let text = "var s = 'a'.repeat(1e6); ";
    let list = "var a = new Array(100000).fill(1.5); ";
    let sparse = "var a = []; a.length = 4294967295; ";
    let lying = "var n = 0; var a = {get length() { return n++ ? 1e15 : 0; }}; ";
    let slow = [
        (text, "s.repeat(2).indexOf(s + 'b')", FaultKind::Steps),
        (text, "s.repeat(2).lastIndexOf('b' + s)", FaultKind::Steps),
        (text, "s.repeat(2).includes({toString: function () { return s + 'b'; }})", FaultKind::Steps),
        (text, "s.repeat(2).split(s + 'b')", FaultKind::Steps),
        (text, "s.repeat(2).replace(s + 'b', '')", FaultKind::Steps),
        (text, "for (;;) s.toUpperCase()", FaultKind::Steps),
        (text, "for (;;) s.normalize()", FaultKind::Steps),
        (text, "for (;;) try { s.split('') } catch (e) {}", FaultKind::Steps),
        (text, "for (;;) s.replace(/a/g, 'b')", FaultKind::Steps),
        (text, "for (;;) try { [...s] } catch (e) {}", FaultKind::Steps),
        (text, "for (;;) try { JSON.parse('[' + s + ']') } catch (e) {}", FaultKind::Steps),
        (text, "for (;;) s.padEnd(2e6)", FaultKind::Steps),
        (list, "for (;;) a.join()", FaultKind::Steps),
        (list, "for (;;) a.sort()", FaultKind::Steps),
        (list, "for (;;) a.indexOf(2)", FaultKind::Steps),
        (list, "for (;;) a.slice()", FaultKind::Steps),
        (list, "for (;;) [...a]", FaultKind::Steps),
        (list, "for (;;) a.concat(a)", FaultKind::Steps),
        (list, "for (;;) new Float64Array(a).sort()", FaultKind::Steps),
        ("", "for (;;) /(a+)+b/.test('aaaaaaaaaaaa')", FaultKind::Steps),
        ("", "[].forEach.call({length: 1e15}, String)", FaultKind::Steps),
        (dag, "a.flat(Infinity)", FaultKind::Steps),
        (dag, "String(a)", FaultKind::Steps),
        (dag, "JSON.stringify(a)", FaultKind::Steps),
        (dag, "JSON.stringify(a, [])", FaultKind::Steps),
        (dag, "return {data: a}", FaultKind::Steps),
        (sparse, "new Set(a)", FaultKind::Thrown),
        (sparse, "[...a]", FaultKind::Thrown),
        (sparse, "[].concat(a)", FaultKind::Thrown),
        (sparse, "[[a]].flat(2)", FaultKind::Thrown),
        (sparse, "[1].flatMap(function () { return a; })", FaultKind::Thrown),
        (sparse, "var [b, ...c] = a", FaultKind::Thrown),
        (lying, "[].join.call(a)", FaultKind::Thrown),
        (lying, "[].reverse.call(a)", FaultKind::Thrown),
        (lying, "Array.from(a)", FaultKind::Thrown),
    ];
    for (before, body, kind) in slow {
        let codecs = codecs(&format!("function decodeUplink(i) {{ {before}{body} }}"));
        let begin = std::time::Instant::now();
        let fault = codecs.call("c.js", &input(&[1])).expect_err(body);
        assert_eq!(fault.kind, kind, "{body}: {}", fault.text);
        assert!(begin.elapsed() < Duration::from_secs(10), "{body}: {:?}", begin.elapsed());
    }
}

#[test]
fn built_ins_that_pay_still_give_what_the_standard_says() {
    let source = r##"function decodeUplink(i) { var a = [3, 1, 2, 1]; return {data: {
        slice: [a.slice(1), a.slice(-2, -1), a.slice()], index: [a.indexOf(1), a.indexOf(1, 2), a.lastIndexOf(1), a.lastIndexOf(1, 2), a.includes(9)],
        join: [a.join(), a.join(''), [null, undefined, [1, [2]]].join('-')], sort: [a.slice().sort(), a.slice().sort(function (x, y) { return y - x; })],
        splice: (function () { var b = a.slice(); var c = b.splice(1, 2, 7, 8, 9); return [b, c, b.splice(3), b.splice()]; })(),
        shift: (function () { var b = a.slice(); return [b.shift(), b.unshift(5, 6), b]; })(), concat: a.concat(1, [2, [3]], 'x'),
        fill: [new Array(2).fill(0), [1, 2, 3].fill(9, 1)], flat: [[1, [2, [3]]].flat(), [1, [2, [3]]].flat(Infinity), [1, 2].flatMap(function (x) { return [x, [x]]; })],
        from: [Array.from({length: 2}, function (_, k) { return k; }), Array.from('ab'), Array.from(new Set([1, 1]))], spread: [...a, ...'ab', ...new Uint8Array(2)],
        args: (function () { return Array.prototype.slice.call(arguments, 1); })(1, 2, 3), like: Array.prototype.join.call({length: 2, 0: 'a', 1: 'b'}, '+'),
        text: ['abcb'.indexOf('b'), 'abcb'.lastIndexOf('b'), 'abcb'.lastIndexOf('b', 2), 'a,b'.split(','), 'a,b,c'.split(',', 2), 'abc'.split(''), 'a1b2'.split(/\d/), 'x'.split()],
        replaced: ['aa'.replace('a', 'b'), 'aa'.replaceAll('a', function (m) { return m + 1; }), 'a1b22'.replace(/\d+/g, '#'), 'ab'.replace(/(a)(b)/, '$2$1')],
        pad: ['7'.padStart(3, '0'), '7'.padEnd(2), 'ab'.repeat(2), ' x '.trim(), 'aB'.toUpperCase(), 'abc'.includes('bc')],
        number: (1234).toString(16).padStart(8, '0').toUpperCase(), bytes: [new Uint8Array([3, 1]).sort().join(), Array.from(new Uint8Array([1, 2]).slice(1))],
        match: ['a1b2'.match(/\d/g), 'a1'.match(/(\w)(\d)/).slice(1), /^\d+$/.test('12'), Array.from('a1b2'.matchAll(/\d/g), function (m) { return m.index; })],
        json: [JSON.stringify({a: [1, undefined], b: undefined, c: new Date(0)}), JSON.stringify({a: 1, b: 2}, ['b'], 1), JSON.stringify({a: 1}, function (k, v) { return k ? v + 1 : v; }), JSON.parse('[1]', function (k, v) { return v; }), typeof JSON.stringify(undefined)],
        names: [[].slice.name, [].slice.length, ''.indexOf.length, [][Symbol.iterator] === [].values, 'prototype' in [].join]
    }}; }"##;
    let told: serde_json::Value = serde_json::from_str(&data(source)).unwrap();
    let expected = serde_json::json!({
        "slice": [[1, 2, 1], [2], [3, 1, 2, 1]], "index": [1, 3, 3, 1, false],
        "join": ["3,1,2,1", "3121", "--1,2"], "sort": [[1, 1, 2, 3], [3, 2, 1, 1]],
        "splice": [[3, 7, 8], [1, 2], [9, 1], []],
        "shift": [3, 5, [5, 6, 1, 2, 1]], "concat": [3, 1, 2, 1, 1, 2, [3], "x"],
        "fill": [[0, 0], [1, 9, 9]], "flat": [[1, 2, [3]], [1, 2, 3], [1, [1], 2, [2]]],
        "from": [[0, 1], ["a", "b"], [1]], "spread": [3, 1, 2, 1, "a", "b", 0, 0],
        "args": [2, 3], "like": "a+b",
        "text": [1, 3, 1, ["a", "b"], ["a", "b"], ["a", "b", "c"], ["a", "b", ""], ["x"]],
        "replaced": ["ba", "a1a1", "a#b#", "ba"],
        "pad": ["007", "7 ", "abab", "x", "AB", true],
        "number": "000004D2", "bytes": ["1,3", [2]],
        "match": [["1", "2"], ["a", "1"], true, [1, 3]],
        "json": ["{\"a\":[1,null],\"c\":\"1970-01-01T00:00:00.000Z\"}", "{\n \"b\": 2\n}", "{\"a\":2}", [1], "undefined"],
        "names": ["slice", 2, 1, true, false],
    });
    assert_eq!(told, expected);
}

#[test]
fn a_thread_that_is_warm_makes_no_engine_in_its_first_call() {
    std::thread::scope(|scope| {
        let told = scope.spawn(|| {
            let codecs = codecs("function Decoder(b, p) { return {n: b[0]}; }");
            codecs.warm();
            let warm = engines::kept();
            codecs.warm();
            let told = codecs.call("c.js", &input(&[7])).map(|output| output.data);
            (warm, engines::kept(), told)
        });
        assert_eq!(told.join().unwrap(), (1, 1, Ok("{\"n\":7}".to_owned())));
    });
}

#[test]
fn each_thread_has_engines_of_its_own_and_none_outlives_its_codec() {
    let first = codecs("function Decoder(b, p) { return {n: 1}; }");
    let call = |codecs: &Codecs| codecs.call("c.js", &input(&[1])).map(|output| output.data);
    assert_eq!(call(&first), Ok("{\"n\":1}".to_owned()));
    // One of the same name, at the same place in memory or not.
    for round in 2..200 {
        let next = codecs(&format!("function Decoder(b, p) {{ return {{n: {round}}}; }}"));
        assert_eq!(call(&next), Ok(format!("{{\"n\":{round}}}")));
        assert!(engines::kept() <= 2, "{}", engines::kept());
    }
    std::thread::scope(|scope| {
        let told = [0; 3].map(|_| scope.spawn(|| (engines::kept(), call(&first), engines::kept())));
        for told in told.map(|told| told.join().unwrap()) {
            assert_eq!(told, (0, Ok("{\"n\":1}".to_owned()), 1));
        }
    });
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
