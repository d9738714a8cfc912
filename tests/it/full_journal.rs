//! A journal that holds more than it may: what is delivered goes, and the service takes messages again by itself.

use std::time::Duration;

use super::support::city;
use super::support::nadikota::Nadikota;
use super::support::publish::publish;
use super::support::wait::{free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_start_with_less_room_than_is_kept_gives_up_delivered_messages_and_is_ready() {
    let [listen] = free_addresses();
    let config = |max_size: &str| {
        format!(
            "time_zone = \"Asia/Jakarta\"\n[journal]\nmin_free = \"1 MiB\"\nsegment_size = \"256 KiB\"\n\
             max_size = \"{max_size}\"\n[broker]\nlisten = \"{listen}\"\n[[destinations]]\nkind = \"embedded\"\n\
             [[routes]]\ntopic = \"a/{{device}}\"\nformat = \"json\"\n"
        )
    };
    let mut nadikota = Nadikota::start_alone(&config("64 MiB"));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let padding = "x".repeat(1000);
    let messages: Vec<_> =
        (0..3000).map(|n| (format!("a/d{}", n % 7), format!(r#"{{"t":{n},"text":"{padding}"}}"#))).collect();
    publish(listen, "devices", &messages);
    city::settled(&nadikota, 3000, LIMIT);
    assert!(nadikota.stop(LIMIT).success(), "{}", nadikota.output());
    std::fs::write(nadikota.dir().join("nadikota.toml"), config("1 MiB")).expect("the configuration");
    nadikota.restart();
    poll_until(LIMIT, "there is room again", || nadikota.ready().then_some(()));
    publish(listen, "devices", &messages[..100]);
    city::settled(&nadikota, 3100, LIMIT);

    // One segment is all there may be: delivered messages go before the flags' state needs them.
    assert!(nadikota.stop(LIMIT).success(), "{}", nadikota.output());
    std::fs::write(nadikota.dir().join("nadikota.toml"), config("256 KiB")).expect("the configuration");
    nadikota.restart();
    poll_until(LIMIT, "there is room again", || nadikota.ready().then_some(()));
    publish(listen, "devices", &messages);
    city::settled(&nadikota, 6100, LIMIT);
}
