//! The demo's living view: a snapshot becomes lines of a terminal. Pure; nothing from a payload reaches it unescaped.

use std::fmt::Write as _;

use crate::account::Account;
use crate::simulate::river::{Band, KUNING_CM, MERAH_CM, TOP_CM};

/// Cells of the river's gauge.
const GAUGE: u16 = 40;
const RESET: &str = "\x1b[0m";
const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[31m";

/// What the view shows at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    /// Messages received in the last second.
    pub per_second: u64,
    pub account: Account,
    /// What was refused or flagged, the newest last.
    pub remarks: Vec<Remark>,
    /// The river that is watched and its level in centimetres.
    pub river: Option<(String, f64)>,
    /// Host and port of the embedded broker.
    pub broker: (String, u16),
    /// A topic to join in on.
    pub topic: String,
    /// Where the health pages are.
    pub http: Option<String>,
}

/// One thing refused or flagged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remark {
    pub device: String,
    /// What became of it: `quarantine wrong_type`, `flag 4`.
    pub verdict: String,
    pub detail: String,
}

/// The lines of the view, none wider than `width` columns nor more than `height`.
pub(super) fn lines(snapshot: &Snapshot, width: usize, height: usize) -> Vec<String> {
    let account = &snapshot.account;
    let mut page = Page { width, lines: Vec::new() };
    page.line(&[(BOLD, "nadikota demo"), ("", "  Kota Pasuruan, simulated")]);
    page.blank();
    page.line(&[("", &format!("{} messages/s", snapshot.per_second))]);
    page.line(&[(
        "",
        &format!(
            "received {} = stored {} + partly stored {} + quarantined {} + discarded {} + pending {}",
            account.received,
            account.stored,
            account.partly_stored,
            account.quarantined,
            account.discarded_total(),
            account.pending
        ),
    )]);
    for (name, reasons) in
        [("quarantined", &account.quarantined_by_reason), ("discarded", &account.discarded)]
    {
        if !reasons.is_empty() {
            let told: Vec<String> = reasons.iter().map(|(reason, n)| format!("{reason} {n}")).collect();
            page.line(&[(DIM, &format!("  {name}: {}", told.join(", ")))]);
        }
    }
    page.blank();
    if let Some((name, level)) = &snapshot.river {
        gauge(&mut page, name, *level);
        page.blank();
    }
    page.line(&[(BOLD, "Refused or flagged")]);
    if snapshot.remarks.is_empty() {
        page.line(&[(DIM, "  nothing yet")]);
    }
    // The way to join in below must stay in sight, so only as many as fit.
    let command = format!("  {}", join_in(snapshot));
    let wrapped = command.chars().count().div_ceil(width.max(1));
    let room = height.saturating_sub(page.lines.len()).saturating_sub(wrapped.saturating_add(2));
    let first = snapshot.remarks.len().saturating_sub(room);
    for Remark { device, verdict, detail } in snapshot.remarks.iter().skip(first) {
        page.line(&[("", &format!("  {device}  ")), (YELLOW, verdict), (DIM, &format!("  {detail}"))]);
    }
    page.blank();
    page.line(&[(BOLD, "Join in"), ("", "  "), (DIM, snapshot.http.as_deref().unwrap_or_default())]);
    // Never cut: half a command would be pasted. A terminal wraps it.
    page.lines.push(command);
    page.lines.truncate(height.max(1));
    page.lines
}

/// A command line to paste: one more reading, of the device that is watched.
pub(super) fn join_in(snapshot: &Snapshot) -> String {
    let (host, port) = &snapshot.broker;
    format!(
        "mosquitto_pub -h {} -p {port} -q 1 -t {} -m {}",
        quoted(host),
        quoted(&snapshot.topic),
        quoted(r#"{"level_cm":180,"battery_v":12.4}"#)
    )
}

/// What to write to a terminal so that these lines replace the last ones without flicker.
pub(super) fn frame(lines: &[String]) -> String {
    // No line end after the last line: on the bottom row it would scroll the page.
    format!("\x1b[H{}\x1b[K\x1b[J", lines.join("\x1b[K\r\n"))
}

/// For a shell: in single quotes unless nothing in it is special.
fn quoted(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./:".contains(character);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", escaped(text).replace('\'', r"'\''"))
}

fn gauge(page: &mut Page, name: &str, level: f64) {
    let band = Band::of(level);
    let (color, word) = match band {
        Band::Hijau => (GREEN, "HIJAU"),
        Band::Kuning => (YELLOW, "KUNING"),
        Band::Merah => (RED, "MERAH"),
    };
    let cell = TOP_CM / f64::from(GAUGE);
    let mut bar: [String; 3] = Default::default();
    let mut rest = String::new();
    for number in 0..GAUGE {
        let bottom = f64::from(number) * cell;
        if bottom >= level {
            rest.push('·');
            continue;
        }
        let [green, yellow, red] = &mut bar;
        match Band::of(bottom) {
            Band::Hijau => green.push('█'),
            Band::Kuning => yellow.push('█'),
            Band::Merah => red.push('█'),
        }
    }
    let [green, yellow, red] = &bar;
    page.line(&[(BOLD, name), ("", &format!("  {:.2} m  ", level / 100.0)), (color, word)]);
    page.line(&[("", "  "), (GREEN, green), (YELLOW, yellow), (RED, red), (DIM, &rest)]);
    let marks = format!("  kuning from {:.2} m, merah from {:.2} m", KUNING_CM / 100.0, MERAH_CM / 100.0);
    page.line(&[(DIM, &marks)]);
}

/// Lines cut to the terminal's width, colours not counted.
struct Page {
    width: usize,
    lines: Vec<String>,
}

impl Page {
    fn blank(&mut self) {
        self.lines.push(String::new());
    }

    fn line(&mut self, parts: &[(&str, &str)]) {
        let (mut line, mut left) = (String::new(), self.width);
        for (color, text) in parts {
            let text = escaped(text);
            let cut: String = text.chars().take(left).collect();
            left = left.saturating_sub(cut.chars().count());
            if cut.is_empty() {
                continue;
            }
            // Writing to a string cannot fail.
            let _ =
                if color.is_empty() { write!(line, "{cut}") } else { write!(line, "{color}{cut}{RESET}") };
        }
        self.lines.push(line);
    }
}

/// Only characters that a terminal shows, one column each as far as the city speaks; all others as their code.
fn escaped(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        let own = matches!(character, '█' | '·');
        if own
            || character.is_ascii_graphic()
            || character == ' '
            || ('\u{a1}'..='\u{24f}').contains(&character)
        {
            clean.push(character);
        } else {
            clean.extend(character.escape_default());
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Reason;

    fn snapshot(level: f64) -> Snapshot {
        Snapshot {
            per_second: 212,
            account: Account {
                received: 10,
                stored: 6,
                partly_stored: 1,
                quarantined: 2,
                quarantined_by_reason: [(Reason::WrongType, 2)].into(),
                discarded: [(Reason::Empty, 1)].into(),
                pending: 0,
            },
            remarks: (0..30)
                .map(|number| Remark {
                    device: format!("WX-{number}"),
                    verdict: "quarantine wrong_type".to_owned(),
                    detail: "\"panas\x1b[2J\r\n\u{9b}31m\u{202e}\" is text".to_owned(),
                })
                .collect(),
            river: Some(("Welang".to_owned(), level)),
            broker: ("127.0.0.1".to_owned(), 1883),
            topic: "city/pasuruan/gadingrejo/it's/level".to_owned(),
            http: None,
        }
    }

    /// The line as one sees it, without colours.
    fn seen(line: &str) -> String {
        let mut plain = line.to_owned();
        for color in [RESET, BOLD, DIM, GREEN, YELLOW, RED] {
            plain = plain.replace(color, "");
        }
        plain
    }

    #[test]
    fn nothing_from_a_payload_steers_the_terminal() {
        for line in lines(&snapshot(100.0), 200, 40) {
            assert!(
                !seen(&line).chars().any(|character| character.is_control() || character == '\u{202e}'),
                "{line:?}"
            );
        }
    }

    #[test]
    fn it_keeps_to_the_terminal() {
        for (width, height) in [(80, 24), (40, 12), (1, 1), (0, 0), (300, 100)] {
            let lines = lines(&snapshot(200.0), width, height);
            assert!(lines.len() <= height.max(1));
            let commands = lines.iter().filter(|line| line.contains("mosquitto_pub")).count();
            let wide = lines.iter().filter(|line| seen(line).chars().count() > width).count();
            assert!(wide <= commands, "only the command to paste may wrap: {width}");
        }
        let lines = lines(&snapshot(200.0), 80, 24);
        assert_eq!(lines.len(), 23, "one row is left because the command takes two");
        assert!(lines[22].contains("mosquitto_pub") && lines[19].contains("WX-29"), "{lines:?}");
    }

    #[test]
    fn the_river_shows_its_band() {
        for (level, band) in [(80.0, "HIJAU"), (150.0, "KUNING"), (1e9, "MERAH"), (-5.0, "HIJAU")] {
            let lines = lines(&snapshot(level), 80, 24);
            assert!(lines.iter().any(|line| line.contains(band)), "{level}");
        }
    }

    #[test]
    fn the_command_can_be_pasted() {
        let command = join_in(&snapshot(1.0));
        assert_eq!(
            command,
            "mosquitto_pub -h 127.0.0.1 -p 1883 -q 1 -t 'city/pasuruan/gadingrejo/it'\\''s/level' \
             -m '{\"level_cm\":180,\"battery_v\":12.4}'"
        );
    }

    #[test]
    fn a_frame_replaces_the_last_one() {
        assert_eq!(frame(&["a".to_owned(), "b".to_owned()]), "\x1b[Ha\x1b[K\r\nb\x1b[K\x1b[J");
    }
}
