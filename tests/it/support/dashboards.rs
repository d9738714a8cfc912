//! The shipped Grafana dashboards, and the queries in them as Grafana would send them.

use std::path::Path;

use serde_json::Value;

#[derive(Debug)]
pub struct Dashboard {
    pub json: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    InfluxQl,
    PromQl,
}

/// A query of a panel or of a variable.
#[derive(Debug)]
pub struct Query {
    pub panel: String,
    pub source: String,
    pub language: Language,
    pub text: String,
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// In the order of their files' names.
pub fn all() -> Vec<Dashboard> {
    let dir = root().join("config/grafana/dashboards");
    let entries = std::fs::read_dir(dir).expect("the dashboards");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let read = |file| std::fs::read_to_string(file).expect("a readable file");
    files.iter().map(|file| Dashboard { json: serde_json::from_str(&read(file)).expect("JSON") }).collect()
}

impl Dashboard {
    pub fn uid(&self) -> &str {
        self.json["uid"].as_str().expect("a uid")
    }

    /// Without the rows between them.
    pub fn panels(&self) -> impl Iterator<Item = &Value> {
        self.json["panels"].as_array().expect("panels").iter().filter(|panel| panel["type"] != "row")
    }

    /// Name and query of each.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let list = self.json["templating"]["list"].as_array().expect("variables");
        list.iter().map(|it| (it["name"].as_str().expect("a name"), it["query"].as_str().expect("a query")))
    }

    pub fn queries(&self) -> Vec<Query> {
        let variables = self.variables().map(|(name, query)| Query {
            panel: format!("variable {name}"),
            source: "nadikota-readings".to_owned(),
            language: Language::InfluxQl,
            text: query.to_owned(),
        });
        let targets = self.panels().flat_map(|panel| {
            let targets = panel["targets"].as_array().expect("targets");
            assert!(!targets.is_empty(), "{}: nothing is asked", panel["title"]);
            targets.iter().map(|target| Query::new(panel, target))
        });
        variables.chain(targets).collect()
    }
}

impl Query {
    fn new(panel: &Value, target: &Value) -> Self {
        let (language, key) = match target["datasource"]["type"].as_str() {
            Some("influxdb") => (Language::InfluxQl, "query"),
            Some("prometheus") => (Language::PromQl, "expr"),
            other => panic!("{}: no data source {other:?}", panel["title"]),
        };
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        Self {
            panel: text(&panel["title"]),
            source: text(&target["datasource"]["uid"]),
            language,
            text: text(&target[key]),
        }
    }

    /// With "All" in every variable, over all that the simulated city told.
    pub fn with_all(&self) -> String {
        self.filled(".*", ".*", ".*")
    }

    /// With values chosen, as Grafana joins several of them.
    pub fn with_chosen(&self) -> String {
        self.filled("pasuruan", "(Gadingrejo|Bugul Kidul)", "(wl-welang-01|wl-welang-02|wl-petung-01)")
    }

    fn filled(&self, city: &str, district: &str, device: &str) -> String {
        let text = self
            .text
            .replace("$timeFilter", "time > now() - 31d")
            .replace("$__interval", "1m")
            .replace("$__rate_interval", "30s")
            .replace("$city", city)
            .replace("$district", district)
            .replace("$device", device);
        assert!(!text.contains('$') || text.contains("$/"), "a variable that nothing fills: {text}");
        text
    }

    /// Every metric that a PromQL text names.
    pub fn metrics(&self) -> impl Iterator<Item = &str> {
        let words = self.text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.filter(|word| word.starts_with("nadikota_"))
    }
}
