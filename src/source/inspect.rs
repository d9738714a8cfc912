//! Inspection of the broker: connects, and tells what it grants, limits, and may lose.

use std::time::Duration;

use super::Config;
use crate::finding::Finding;
use crate::mqtt::probe::{Limits, probe};

const LIMIT: Duration = Duration::from_secs(5);

/// Looks at the broker without disturbing the running service. `max_payload` is the largest that we take.
pub async fn inspect(config: &Config, filters: Vec<String>, max_payload: u64) -> Vec<Finding> {
    let mut options = config.options.clone();
    options.filters = config.filters(&filters);
    let place = format!("{}:{}", options.host, options.port);
    let told = match probe(&options, LIMIT).await {
        Ok(told) => told,
        Err(error) => {
            let refused = error.contains("refused, return code");
            let what_to_do = if refused {
                "check user, password_file and version"
            } else {
                "check mqtt.url, and that the broker runs and is reachable"
            };
            return vec![Finding::wrong("broker", format!("{place}: {error}"), what_to_do)];
        }
    };
    let named = told.broker.as_ref().map(|name| format!(", {name}")).unwrap_or_default();
    let mut findings = vec![Finding::ok("broker", format!("{place} connects{named}"))];
    for filter in &told.refused {
        findings.push(Finding::wrong(
            "filter",
            format!("the broker refuses \"{filter}\""),
            "allow our user to subscribe to it, or change the routes",
        ));
    }
    for filter in &told.at_most_once {
        findings.push(Finding::wrong(
            "filter",
            format!("\"{filter}\" is granted at QoS 0 only: messages can be lost on the way"),
            "allow QoS 1 at the broker",
        ));
    }
    let granted = options.filters.len() - told.refused.len().min(options.filters.len());
    if granted > 0 {
        findings.push(Finding::ok("filters", format!("{granted} of {} granted", options.filters.len())));
    }
    findings.extend(limits(&told.limits, config, max_payload));
    if told.broker.is_some_and(|name| name.to_ascii_lowercase().contains("mosquitto")) {
        findings.push(Finding::warning(
            "mosquitto",
            "by default it drops what comes while 1,000 messages wait for a client, and after a kill -9 or a \
             power cut it has lost what came since its last autosave, although it acknowledged it; an ACL file \
             withholds messages silently where the filter was granted. None of it can be seen from outside",
            "set max_queued_messages 0 or very large, persistence true and autosave_interval 10 or less; \
             config/mosquitto/mosquitto.conf shows how",
        ));
    }
    findings
}

/// What an MQTT 5 broker gives us less of than we ask for.
fn limits(limits: &Limits, config: &Config, max_payload: u64) -> Vec<Finding> {
    let options = &config.options;
    let mut findings = Vec::new();
    let mut less = |text: String, what_to_do: &str| {
        findings.push(Finding::warning("limits", text, what_to_do));
    };
    if let Some(max) = limits.max_packet.filter(|max| u64::from(*max) < max_payload) {
        less(
            format!("the broker takes packets of {max} bytes only; transform.max_payload is {max_payload}"),
            "devices' larger messages never reach us: raise the broker's limit",
        );
    }
    let expiry = options.session_expiry.as_secs();
    if let Some(granted) = limits.session_expiry.filter(|granted| u64::from(*granted) < expiry) {
        less(
            format!("the broker keeps our session {granted} s, we ask for {expiry} s"),
            "an outage of ours that lasts longer loses messages: raise the broker's limit",
        );
    }
    if let Some(keep_alive) = limits.keep_alive.filter(|told| u64::from(*told) < options.keep_alive.as_secs())
    {
        less(
            format!("the broker wants a keep-alive of at most {keep_alive} s"),
            "set mqtt.keep_alive to no more than that",
        );
    }
    if limits.max_qos == Some(0) {
        less("the broker knows QoS 0 only".to_owned(), "messages can be lost: use another broker");
    }
    if limits.wildcards_refused {
        less("the broker allows no wildcards in filters".to_owned(), "use another broker");
    }
    if findings.is_empty() && options.version == crate::mqtt::Version::V5 {
        let told = [
            limits.max_packet.map(|max| format!("packets of {max} bytes")),
            limits.receive_maximum.map(|max| format!("{max} messages under way to it")),
        ];
        let told: Vec<_> = told.into_iter().flatten().collect();
        let told = if told.is_empty() { "none that concern us".to_owned() } else { told.join(", ") };
        findings.push(Finding::ok("limits", told));
    }
    findings
}
