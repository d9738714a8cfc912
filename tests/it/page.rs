//! The page in a real browser: it shows what is, takes nothing from elsewhere, and makes no markup of outside data.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::support::chromium::Chromium;
use super::support::http;
use super::support::nadikota::Nadikota;
use super::support::process::Process;
use super::support::publish::publish;
use super::support::wait::{START, accepts, free_addresses, poll_until};

/// Where the screenshots are left to be looked at.
fn pictures() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("page")
}

fn demo(dir: &Path) -> (Process, SocketAddr, SocketAddr) {
    let [mqtt, http] = free_addresses();
    let mut command = Command::new(env!("CARGO_BIN_EXE_nadikota"));
    command.args(["demo", "--json", "--mqtt", &mqtt.to_string(), "--http", &http.to_string()]);
    let mut process = Process::start("demo", &mut command, dir);
    process.wait_ready(START, || accepts(http) && accepts(mqtt));
    (process, mqtt, http)
}

#[test]
fn the_page_shows_the_demo_live_and_takes_nothing_from_elsewhere() {
    let dir = tempfile::tempdir().expect("a directory");
    let (_demo, mqtt, http) = demo(dir.path());
    let base = format!("http://{http}/");
    let mut browser = Chromium::start();
    browser.screen(1280, "light");
    browser.open(&base);

    browser.until("it is healthy", "document.querySelector('#state').textContent === 'healthy'");
    let received = "Number(document.querySelector('#received').textContent.replaceAll(',', ''))";
    browser.until("numbers come", &format!("{received} > 100"));
    let before = browser.eval(received).as_f64().expect("a number");
    browser.until("numbers move", &format!("{received} > {}", before + 100.0));
    browser.until("time to stored is told", "/\\d m?s/.test(document.querySelector('#delay').textContent)");
    browser.until("room is told", "/\\d/.test(document.querySelector('#room').textContent)");
    browser.until("devices are listed by district", "document.querySelectorAll('details').length > 2");
    browser.until("with sparklines", "document.querySelectorAll('.device svg polyline').length > 10");
    let flags =
        "[...document.querySelectorAll('.flag')].filter((flag) => flag.textContent === 'pass').length > 10";
    browser.until("and flags", flags);

    let topic = "city/pasuruan/purworejo/<img src=x onerror=alert(1)>/level".to_owned();
    let hostile = "<script>document.title='owned'</script><img src=http://198.51.100.1/x>".to_owned();
    publish(mqtt, "hostile", &[(topic, hostile)]);
    let shown = "[...document.querySelectorAll('#refused code')].some((code) => code.textContent.startsWith('<script>'))";
    browser.until("the hostile message is shown", shown);
    assert_eq!(browser.eval("document.querySelectorAll('main script, main img').length"), 0);
    assert_eq!(browser.eval("document.title"), "nadikota");

    explain(&mut browser, "city/pasuruan/purworejo/anda-01/level", r#"{"level_cm":180,"battery_v":12.4}"#);
    browser.until(
        "it tells what would be stored",
        "document.querySelector('#story').textContent.includes('water_level_m = 1.8')",
    );
    explain(&mut browser, "nowhere/at/all", "<b>1</b>");
    browser.until("and why not", "document.querySelector('#story').textContent.includes('no_route')");

    browser.eval("document.querySelector('#encoding').value = 'hex'");
    explain(&mut browser, "city/pasuruan/purworejo/n-9/lpp", "01 67 00 FA");
    browser.until("bytes too", "document.querySelector('#story').textContent.includes('= 25 ')");

    look_at_all_screens(&mut browser);
    let (said, asked) = browser.told();
    assert!(said.is_empty(), "the console says: {said:?}");
    assert!(asked.len() > 5 && asked.iter().all(|url| url.starts_with(&base)), "asked for: {asked:?}");
}

fn explain(browser: &mut Chromium, topic: &str, payload: &str) {
    let [topic, payload] = [topic, payload].map(|text| Value::from(text).to_string());
    browser.eval(&format!(
        "document.querySelector('#topic').value = {topic}; document.querySelector('#payload').value = {payload}; \
         document.querySelector('#explain').requestSubmit();"
    ));
}

/// Narrow and wide, light and dark: nothing sticks out, colours differ, and axe has no serious finding.
fn look_at_all_screens(browser: &mut Chromium) {
    let axe = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/axe/node_modules/axe-core/axe.min.js");
    let axe = std::fs::read_to_string(&axe)
        .unwrap_or_else(|error| panic!("{}: {error}; ./tests/run brings it", axe.display()));
    browser.eval(&format!("{axe}; true"));
    std::fs::create_dir_all(pictures()).expect("a directory");
    let mut grounds = Vec::new();
    for (width, scheme) in [(360, "light"), (360, "dark"), (1280, "dark"), (1280, "light")] {
        browser.screen(width, scheme);
        let name = format!("{width}-{scheme}");
        browser.until("the screen has its width", &format!("innerWidth === {width}"));
        let wide = browser.eval("document.documentElement.scrollWidth");
        assert_eq!(wide, width, "{name}: something sticks out");
        grounds.push(browser.eval("getComputedStyle(document.body).backgroundColor"));
        save(&browser.screenshot(), &pictures().join(format!("{name}.png")));
        let found = browser.eval(
            "axe.run().then((told) => told.violations.filter((one) => ['serious', 'critical'].includes(one.impact))\
             .map((one) => [one.id, one.nodes.length, one.nodes[0].html.slice(0, 200), one.nodes[0].failureSummary]))",
        );
        assert_eq!(found, Value::Array(Vec::new()), "{name}");
    }
    assert!(grounds[0] != grounds[1] && grounds[0] == grounds[3], "{grounds:?}");
}

/// The tool of every Unix reads base64, so no library is needed for it.
fn save(base64: &str, path: &Path) {
    let file = std::fs::File::create(path).expect("a file");
    let mut decoder =
        Command::new("base64").arg("-d").stdin(Stdio::piped()).stdout(file).spawn().expect("base64");
    decoder.stdin.take().expect("its stdin").write_all(base64.as_bytes()).expect("all of it");
    assert!(decoder.wait().expect("its end").success());
}

#[test]
fn the_page_goes_on_by_itself_after_a_kill_of_the_service() {
    let [broker] = free_addresses();
    let mut nadikota = embedded(broker);
    let mut browser = Chromium::start();
    browser.open(&format!("http://{}/", nadikota.http()));
    let message =
        |level: u32| ("city/pasuruan/purworejo/x-1/level".to_owned(), format!("{{\"level_cm\":{level}}}"));
    publish(broker, "one", &[message(120)]);
    let stored = |count: u32| format!("document.querySelector('#stored').textContent === '{count}'");
    browser.until("the first is stored", &stored(1));
    browser.until("its value is shown", "document.querySelector('#latest').textContent.includes('1.2 m')");
    nadikota.kill9();
    browser
        .until("it says that nobody answers", "document.querySelector('#state').textContent === 'no answer'");
    nadikota.restart();
    poll_until(START, "the broker is back", || accepts(broker).then_some(()));
    publish(broker, "two", &[message(130)]);
    browser.until("it goes on with the account", &stored(2));
    browser.until("and with the values", "document.querySelector('#latest').textContent.includes('1.3 m')");
    browser.until("healthy", "document.querySelector('#state').textContent === 'healthy'");
}

/// One service with broker and store built in, and the shipped routes.
fn embedded(broker: SocketAddr) -> Nadikota {
    Nadikota::start(&format!(
        "[broker]\nlisten = \"{broker}\"\n[mqtt]\nenabled = false\n[[destinations]]\nkind = \"embedded\"\n"
    ))
}

fn state(text: &str) -> String {
    format!("document.querySelector('#state').textContent === '{text}'")
}

#[test]
fn of_a_service_that_stands_still_the_page_shows_no_green_and_marks_the_figures_as_old() {
    let [broker] = free_addresses();
    let nadikota = embedded(broker);
    let mut browser = Chromium::start();
    browser.open(&format!("http://{}/", nadikota.http()));
    browser.until("it is healthy", &state("healthy"));
    let old = "document.querySelector('#told').classList.contains('stale') \
               && /as of \\d\\d:\\d\\d:\\d\\d/.test(document.querySelector('#as-of').innerText)";
    assert_eq!(browser.eval(old), false);
    let id = Pid::from_raw(i32::try_from(nadikota.id()).expect("a small number")).expect("a process");
    // The connection stays open; only nothing comes any more.
    kill_process(id, Signal::STOP).expect("SIGSTOP to our own child");
    browser.until("it says that nobody answers", &state("no answer"));
    assert_eq!(browser.eval(old), true);
    std::fs::create_dir_all(pictures()).expect("a directory");
    save(&browser.screenshot(), &pictures().join("no-answer.png"));
    explain(&mut browser, "a/b", "1");
    browser.until(
        "a question gets an end too",
        "document.querySelector('#story').textContent.includes('no answer')",
    );
    kill_process(id, Signal::CONT).expect("SIGCONT to our own child");
    browser.until("it goes on by itself", &state("healthy"));
    assert_eq!(browser.eval(old), false);
}

#[test]
fn one_page_too_many_is_told_so_and_gets_its_turn() {
    let [broker] = free_addresses();
    let nadikota = embedded(broker);
    let others = (0..24).map(|_| {
        let mut stream = TcpStream::connect(nadikota.http()).expect("the service");
        write!(stream, "GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("a request");
        stream.read_exact(&mut [0; 20]).expect("an answer");
        stream
    });
    let others: Vec<_> = others.collect();
    let mut browser = Chromium::start();
    browser.open(&format!("http://{}/", nadikota.http()));
    browser.until("it is not called dead", &state("not live"));
    let why = browser.eval("document.querySelector('#trouble-list').textContent");
    let why = why.as_str().expect("text");
    assert!(why.contains("24 pages are open already") && !why.contains("does not answer"), "{why}");
    drop(others);
    browser.until("a place came free", &state("healthy"));
}

#[test]
fn every_district_has_its_heading_and_opened_its_values_however_many_series_there_are() {
    let [broker] = free_addresses();
    let nadikota = embedded(broker);
    let topic = |district: &str, number: u32| format!("city/pasuruan/{district}/n-{number}/laeq");
    let mut messages: Vec<_> = (0..250).map(|number| (topic("a-many", number), "55.5")).collect();
    messages.extend((0..3).map(|number| (topic("b-few", number), "44.5")));
    publish(broker, "many", &messages);
    let mut browser = Chromium::start();
    browser.open(&format!("http://{}/", nadikota.http()));
    browser.until("both are there", "document.querySelectorAll('#latest details').length === 2");
    let heading = "document.querySelector('#latest details summary').textContent";
    browser.until("one cannot show all", &format!("{heading}.includes('200 of 250')"));
    let few = "document.querySelectorAll('#latest details')[1]";
    assert_eq!(browser.eval(&format!("{few}.querySelectorAll('.device').length")), 0);
    browser.eval(&format!("{few}.querySelector('summary').click()"));
    browser.until("opened it has its values", &format!("{few}.innerText.split('44.5 dB(A)').length === 4"));
}

/// What the page shows of these values of one device, at the moment `now`; each is field, value and age in seconds.
fn shown(browser: &mut Chromium, values: &[(String, f64, i64)]) -> String {
    let values = values.iter().map(|(field, value, age)| {
        json!({"field": field, "value": value, "flag": 1, "time_ms": 1_800_000_000_000_i64 - age * 1000, "trail": [1]})
    });
    let series = json!({"city": "x", "district": "y", "site": "", "device": "d", "measurement": "m",
        "channel": null, "heard_ms": 1_800_000_000_000_i64, "values": values.collect::<Vec<_>>()});
    let told = json!({"now_ms": 1_800_000_000_000_i64, "known": 1, "found": 1, "series": [series],
        "districts": [{"city": "x", "district": "y", "series": 1, "suspect": 0, "fail": 0}]});
    let shown = browser.eval(&format!(
        "import('/show.js').then((show) => {{ show.latest({told}, ''); return [document.querySelector('#latest').innerText, \
         ...[...document.querySelectorAll('#latest .value span')].map((one) => one.title)].join(' ').replace(/\\s+/g, ' '); }})"
    ));
    shown.as_str().expect("text").to_owned()
}

#[test]
fn a_value_is_shown_whole_with_its_unit_and_its_own_age() {
    let [broker] = free_addresses();
    let nadikota = embedded(broker);
    let mut browser = Chromium::start();
    browser.open(&format!("http://{}/", nadikota.http()));
    browser.until("it is healthy", &state("healthy"));
    for (field, value, told) in [
        ("air_pressure_hpa", 1013.2, "air pressure 1013.2 hPa"),
        ("solar_wm2", 123_456.0, "solar 123456 W/m²"),
        ("air_temperature_c", 27.46, "air temperature 27.46 °C"),
        ("water_level_m", -1.234, "water level -1.234 m"),
        ("rain_mm", 0.0, "rain 0 mm"),
        ("current_a", 0.012_345, "current 0.0123 A"),
        ("large_count", 1.5e300, "large count 1.50e+300"),
        ("illuminance_lx", 950.0, "illuminance 950 lx"),
        ("odd_constructor", 1.0, "odd constructor 1 pass"),
    ] {
        let shown = shown(&mut browser, &[(field.to_owned(), value, 0)]);
        assert!(shown.contains(told) && !shown.contains(" ago"), "{field}: {shown}");
    }
    for (suffix, unit) in nadikota::quantity::SUFFIXES.iter().filter(|(_, unit)| *unit != "count") {
        let shown = shown(&mut browser, &[(format!("x{suffix}"), 5.0, 0)]);
        assert!(shown.contains(" x 5 "), "{suffix} ({unit}) has no unit on the page: {shown}");
    }
    // Stored just now, but of hours and days ago.
    let old = [("a_c".to_owned(), 1.0, 3 * 3600), ("b_c".to_owned(), 2.0, 4 * 86_400)];
    let shown = shown(&mut browser, &old);
    assert!(shown.contains("d 3 h ago") && shown.contains("b, 4 days ago 2 °C"), "{shown}");
    // That day is not today, so it is named.
    assert!(shown.contains("m b_c, 11 Jan 2027, ") || shown.contains("m b_c, 11 Jan, "), "{shown}");
}

#[test]
fn off_loopback_the_page_asks_for_the_token_and_works_with_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let [http, broker] = free_addresses();
    std::fs::write(
        dir.path().join("nadikota.toml"),
        format!(
            "time_zone = \"Asia/Jakarta\"\n[http]\nlisten = \"0.0.0.0:{}\"\ntoken = \"s3cret\"\n\
             [broker]\nlisten = \"{broker}\"\n[[routes]]\ntopic = \"a/{{device}}\"\nformat = \"json\"\n",
            http.port()
        ),
    )
    .expect("the configuration");
    let mut command = Command::new(env!("CARGO_BIN_EXE_nadikota"));
    command.arg("run").arg("--config").arg(dir.path().join("nadikota.toml"));
    command.env("NADIKOTA__DATA_DIR", dir.path().join("data"));
    let mut process = Process::start("nadikota", &mut command, dir.path());
    process.wait_ready(START, || http::get(http, "/health/live").is_ok_and(|answer| answer.status == 200));

    let mut browser = Chromium::start();
    browser.open(&format!("http://{http}/"));
    browser.until("it asks for the token", "!document.querySelector('#door').hidden");
    let give = |token: &str| {
        format!(
            "document.querySelector('#token').value = '{token}'; document.querySelector('#door').requestSubmit(); true"
        )
    };
    browser.eval(&give("wrong"));
    browser.until(
        "it refuses a wrong one",
        "document.querySelector('#door-why').textContent.includes('does not open')",
    );
    browser.eval(&give("s3cret"));
    browser.until("it opens", "document.querySelector('#state').textContent === 'healthy'");
    assert_eq!(browser.eval("document.querySelector('#door').hidden"), true);
    assert_eq!(browser.eval("location.href.includes('s3cret') || document.cookie !== ''"), false);
    assert!(!process.output().contains("s3cret"));
    assert_eq!(process.stop(Duration::from_secs(20)).code(), Some(0), "open streams hold no stop");
}
