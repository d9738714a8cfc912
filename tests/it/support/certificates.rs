//! Certificates for brokers and clients: sound ones, and each kind of unsound.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};

/// A CA with its file.
pub struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pub file: PathBuf,
}

/// A certificate and its key in PEM files.
pub struct Pair {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Ca {
    pub fn new(dir: &Path, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA");
        let file = dir.join(format!("{name}.pem"));
        std::fs::write(&file, issuer.pem()).expect("the CA's file");
        Self { issuer, file }
    }

    /// A certificate for `host`, valid today unless `expired`.
    pub fn sign(&self, dir: &Path, host: &str, expired: bool) -> Pair {
        let until = expired.then_some((2021, 1, 1));
        self.sign_until(dir, host, &expired.to_string(), until)
    }

    /// A certificate for `host` that ends with the day so many days from now.
    pub fn sign_for_days(&self, dir: &Path, host: &str, days: i64) -> Pair {
        let now = jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::now());
        let date = now.date().checked_add(jiff::Span::new().days(days)).expect("a date");
        let part = |number: i8| u8::try_from(number).expect("a day or month");
        let until = (date.year().into(), part(date.month()), part(date.day()));
        self.sign_until(dir, host, &format!("{days}-days"), Some(until))
    }

    fn sign_until(&self, dir: &Path, host: &str, name: &str, until: Option<(i32, u8, u8)>) -> Pair {
        let mut params = CertificateParams::new(vec![host.to_owned()]).expect("a host");
        params.distinguished_name.push(DnType::CommonName, host);
        if let Some((year, month, day)) = until {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(year, month, day);
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let path = |ending: &str| dir.join(format!("{host}-{name}.{ending}"));
        let pair = Pair { certificate: path("pem"), key: path("key") };
        std::fs::write(&pair.certificate, certificate.pem()).expect("the certificate's file");
        std::fs::write(&pair.key, key.serialize_pem()).expect("the key's file");
        pair
    }
}
