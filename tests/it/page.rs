//! The page in a real browser: it shows what is, takes nothing from elsewhere, and makes no markup of outside data.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

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
    let mut nadikota = Nadikota::start(&format!(
        "[broker]\nlisten = \"{broker}\"\n[mqtt]\nenabled = false\n[[destinations]]\nkind = \"embedded\"\n"
    ));
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
