//! A real Chromium without a window, driven over the DevTools protocol through pipes.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::wait::{poll_until, within};

const LIMIT: Duration = Duration::from_secs(60);

/// A browser with one page.
#[derive(Debug)]
pub struct Chromium {
    child: Child,
    commands: ChildStdin,
    answers: Receiver<Value>,
    session: String,
    last: u64,
    events: VecDeque<Value>,
    _dir: TempDir,
}

impl Chromium {
    /// Starts it and opens an empty page.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        // The protocol's pipes are the files 3 and 4 of the browser: our ends are its stdin and stdout.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "chromium"])
            .args(["--headless=new", "--no-sandbox", "--remote-debugging-pipe", "--no-first-run"])
            .args(["--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync", "--hide-scrollbars"])
            .arg(format!("--user-data-dir={}", dir.path().join("profile").display()))
            .arg("about:blank")
            .env("HOME", dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("chromium; ./tests/run installs it");
        let commands = child.stdin.take().expect("its stdin");
        let output = child.stdout.take().expect("its stdout");
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(output).split(0) {
                let Ok(message) = message else { break };
                let Ok(value) = serde_json::from_slice(&message) else { break };
                if sender.send(value).is_err() {
                    break;
                }
            }
        });
        let (session, events) = (String::new(), VecDeque::new());
        let mut browser = Self { child, commands, answers, session, last: 0, events, _dir: dir };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attached =
            browser.call("Target.attachToTarget", json!({"targetId": target["targetId"], "flatten": true}));
        browser.session = attached["sessionId"].as_str().expect("a session").to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    pub fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": url}));
        let loaded = "document.readyState === 'complete' && location.href !== 'about:blank'";
        self.until("the page is loaded", loaded);
    }

    /// The value of an expression, which may be a promise.
    pub fn eval(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let told = self.call("Runtime.evaluate", asked);
        assert!(told["exceptionDetails"].is_null(), "{expression}: {}", told["exceptionDetails"]);
        told["result"]["value"].clone()
    }

    /// Waits until the expression is true.
    pub fn until(&mut self, what: &str, expression: &str) {
        poll_until(LIMIT, what, || (self.eval(expression) == true).then_some(()));
    }

    /// The screen: width in CSS pixels, and `light` or `dark`.
    pub fn screen(&mut self, width: u32, scheme: &str) {
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", size);
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", features);
    }

    /// The whole page as PNG, in base64.
    pub fn screenshot(&mut self) -> String {
        let told =
            self.call("Page.captureScreenshot", json!({"format": "png", "captureBeyondViewport": true}));
        told["data"].as_str().expect("a picture").to_owned()
    }

    /// Everything that the console and the log of the page have said, and the addresses that were asked for.
    pub fn told(&mut self) -> (Vec<Value>, Vec<String>) {
        while let Ok(value) = self.answers.try_recv() {
            self.events.push_back(value);
        }
        let (mut said, mut asked) = (Vec::new(), Vec::new());
        for event in &self.events {
            match event["method"].as_str() {
                Some("Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded") => {
                    said.push(event["params"].clone());
                }
                Some("Network.requestWillBeSent") => {
                    asked.extend(event["params"]["request"]["url"].as_str().map(str::to_owned));
                }
                _ => {}
            }
        }
        (said, asked)
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut command = json!({"id": self.last, "method": method});
        command["params"] = params;
        if !self.session.is_empty() {
            command["sessionId"] = self.session.clone().into();
        }
        let mut bytes = command.to_string().into_bytes();
        bytes.push(0);
        self.commands.write_all(&bytes).expect("a browser that listens");
        let deadline = Instant::now() + LIMIT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let answer = self.answers.recv_timeout(left).unwrap_or_else(|_| panic!("no answer to {method}"));
            if answer["id"] == self.last {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            self.events.push_back(answer);
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let close = b"{\"id\":0,\"method\":\"Browser.close\"}\0";
        let _ = self.commands.write_all(close);
        let ended = || matches!(self.child.try_wait(), Ok(Some(_))).then_some(());
        if within(Duration::from_secs(5), ended).is_some() {
            return;
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
