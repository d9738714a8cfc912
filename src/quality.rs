//! Quality flags of a field, after QARTOD (U.S. IOOS Manual for Real-Time Quality Control, flag table).

/// A flag; the numeric value is what is stored in `<field>_qc`. Worse flags win when checks disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Flag {
    Pass = 1,
    NotEvaluated = 2,
    Suspect = 3,
    Fail = 4,
    Missing = 9,
}

impl Flag {
    /// The stored number.
    pub const fn number(self) -> i64 {
        self as i64
    }

    /// The flag after another check had its say: fail over suspect over pass over not evaluated.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        const fn rank(flag: Flag) -> u8 {
            match flag {
                Flag::NotEvaluated => 0,
                Flag::Pass => 1,
                Flag::Suspect => 2,
                Flag::Fail => 3,
                Flag::Missing => 4,
            }
        }
        if rank(other) > rank(self) { other } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::Flag;

    #[test]
    fn the_worse_flag_wins_whatever_the_order() {
        assert_eq!(Flag::Pass.and(Flag::Suspect), Flag::Suspect);
        assert_eq!(Flag::Fail.and(Flag::Suspect), Flag::Fail);
        assert_eq!(Flag::NotEvaluated.and(Flag::Pass), Flag::Pass);
    }
}
