//! Decoders of bytes: what a profile names to read its devices' frames, a codec, Cayenne LPP or a layout of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

/// What reads the bytes that a device sends.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoder {
    /// A script by the name of its file, with the device's settings as a JSON object of texts, or empty.
    Codec {
        file: Arc<str>,
        variables: Arc<str>,
    },
    CayenneLpp,
    Layout(Arc<Layout>),
}

/// Where the values stand in a frame.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// The port of these frames; others are no readings. Nothing: any.
    pub port: Option<u16>,
    /// The frame's exact length in bytes; nothing: as long as its last field needs, or longer.
    pub length: Option<usize>,
    pub fields: Vec<Field>,
}

/// One value of a frame.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    pub name: String,
    /// In bytes from the start.
    pub offset: usize,
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Least significant byte first.
    #[serde(default)]
    pub little_endian: bool,
    /// First bit and number of bits of a whole number, counted from its least significant bit.
    pub bits: Option<(u32, u32)>,
    #[serde(default = "one")]
    pub scale: f64,
    /// Added after the scale.
    #[serde(default)]
    pub add: f64,
    /// As it stands in the frame, before the scale: no value.
    #[serde(default)]
    pub sentinels: Vec<f64>,
}

const fn one() -> f64 {
    1.0
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    U8,
    I8,
    U16,
    I16,
    U24,
    I24,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl Kind {
    /// In bytes.
    pub const fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U24 | Self::I24 => 3,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    pub const fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }
}

/// A LoRaWAN payload has 242 bytes at most; plain topics may bring more.
const MOST_OFFSET: usize = 65_536;
const MOST_FIELDS: usize = 1000;

impl Decoder {
    /// From the keys of a profile, of which one may be set.
    pub(super) fn new(
        codec: Option<String>,
        variables: Option<BTreeMap<String, String>>,
        decoder: Option<&str>,
        layout: Option<toml::Value>,
    ) -> Result<Option<Self>, String> {
        if variables.is_some() && codec.is_none() {
            return Err("variables are a codec's, and codec is not set".to_owned());
        }
        match (codec, decoder, layout) {
            (None, None, None) => Ok(None),
            (Some(file), None, None) => {
                let variables = variables.map(|variables| serde_json::to_string(&variables));
                let variables = variables.transpose().map_err(|error| error.to_string())?.unwrap_or_default();
                Ok(Some(Self::Codec { file: file.into(), variables: variables.into() }))
            }
            (None, Some("cayenne_lpp"), None) => Ok(Some(Self::CayenneLpp)),
            (None, Some(other), None) => {
                Err(format!("there is no decoder \"{other}\"; it must be \"cayenne_lpp\""))
            }
            (None, None, Some(layout)) => {
                let layout =
                    Layout::deserialize(layout).map_err(|error| format!("layout: {}", error.message()))?;
                layout.check()?;
                Ok(Some(Self::Layout(Arc::new(layout))))
            }
            _ => Err("codec, decoder and layout exclude each other".to_owned()),
        }
    }
}

impl Layout {
    fn check(&self) -> Result<(), String> {
        if self.fields.is_empty() || self.fields.len() > MOST_FIELDS {
            return Err(format!("layout: from 1 to {MOST_FIELDS} fields"));
        }
        for field in &self.fields {
            let wrong = |text: String| Err(format!("layout: {}: {text}", field.name));
            let end = field.offset.saturating_add(field.kind.size());
            if end > self.length.unwrap_or(MOST_OFFSET).min(MOST_OFFSET) {
                return wrong(format!("it ends at byte {end}, beyond the frame"));
            }
            if !field.scale.is_finite() || field.scale == 0.0 || !field.add.is_finite() {
                return wrong("scale and add must be numbers, scale not 0".to_owned());
            }
            if let Some((first, count)) = field.bits {
                let width = u32::try_from(field.kind.size().saturating_mul(8)).unwrap_or(u32::MAX);
                if field.kind.is_float() || count == 0 || first.saturating_add(count) > width {
                    return wrong(format!(
                        "bits = [first, count] must lie within the {width} bits of a whole number"
                    ));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Decoder>, String> {
        let table: toml::Table = text.parse().unwrap();
        let text = |key: &str| table.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        let variables = table.get("variables").map(|told| BTreeMap::deserialize(told.clone()).unwrap());
        Decoder::new(text("codec"), variables, text("decoder").as_deref(), table.get("layout").cloned())
    }

    #[test]
    fn a_profile_names_one_decoder_or_none() {
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("decoder = \"cayenne_lpp\""), Ok(Some(Decoder::CayenneLpp)));
        let codec = read("codec = \"a.js\"\nvariables = { depth = \"2\" }").unwrap();
        let variables = "{\"depth\":\"2\"}".into();
        assert_eq!(codec, Some(Decoder::Codec { file: "a.js".into(), variables }));
        let layout =
            read("[layout]\nlength = 2\nfields = [{ name = \"a\", offset = 0, type = \"u16\" }]").unwrap();
        assert!(matches!(layout, Some(Decoder::Layout(layout)) if layout.fields.len() == 1));
        for (text, expected) in [
            ("codec = \"a.js\"\ndecoder = \"cayenne_lpp\"", "exclude each other"),
            ("decoder = \"lpp\"", "no decoder \"lpp\""),
            ("variables = {}", "codec is not set"),
            ("layout = { fields = [] }", "from 1 to"),
            ("layout = { fields = [{ name = \"a\", offset = 0, type = \"u15\" }] }", "layout: "),
            ("layout = { length = 1, fields = [{ name = \"a\", offset = 0, type = \"u16\" }] }", "beyond"),
            ("layout = { fields = [{ name = \"a\", offset = 0, type = \"u8\", bits = [7, 2] }] }", "8 bits"),
            (
                "layout = { fields = [{ name = \"a\", offset = 0, type = \"f32\", bits = [0, 2] }] }",
                "whole number",
            ),
            ("layout = { fields = [{ name = \"a\", offset = 0, type = \"u8\", scale = 0 }] }", "scale"),
        ] {
            let wrong = read(text).unwrap_err();
            assert!(wrong.contains(expected), "{wrong}: {text}");
        }
    }
}
