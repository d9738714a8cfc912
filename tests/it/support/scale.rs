//! How much the load tests do: the short form by default, the long one with `NADIKOTA_LONG=1`.

pub fn long() -> bool {
    std::env::var("NADIKOTA_LONG").is_ok_and(|value| value == "1")
}

/// The first in the short form, the second in the long one.
pub fn scaled<T>(short: T, of_long: T) -> T {
    if long() { of_long } else { short }
}
