//! Traps: targets that go wrong on purpose. A run that does not find them would find nothing else.

use super::{Target, Try, hash};

/// The trap that never ends.
pub const SLOW: &str = "trap_slow";

pub fn targets() -> Vec<Target> {
    let target = |name, build| Target { name, build, words: &["x"] };
    vec![
        target("trap_panic", |_| on_x(|| panic!("the trap"))),
        target("trap_abort", |_| on_x(|| std::process::abort())),
        target("trap_memory", |_| on_x(|| drop(std::hint::black_box(vec![1_u8; 8 << 30])))),
        target("trap_stack", |_| on_x(|| _ = std::hint::black_box(deeper(1)))),
        target(SLOW, |_| {
            on_x(|| {
                loop {
                    std::thread::park()
                }
            })
        }),
    ]
}

/// Mutation has to come upon the letter.
fn on_x(spring: fn()) -> Try {
    Box::new(move |input| {
        if input.contains(&b'x') {
            spring();
        }
        hash(&input.len())
    })
}

fn deeper(level: u64) -> [u64; 64] {
    let mut here = [level; 64];
    here[1] = if level == u64::MAX { 0 } else { deeper(std::hint::black_box(level + 1))[2] };
    here
}
