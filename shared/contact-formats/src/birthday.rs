//! A birthday as a calendar date. Must not know formats, nor that time zones exist.

/// A date of the Gregorian calendar that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: u16,
    pub(crate) month: u8,
    pub(crate) day: u8,
}

impl Date {
    /// None where no such day exists, or the year is not one of four digits.
    pub(crate) fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => return None,
        };
        ((1..=9999).contains(&year) && (1..=days).contains(&day)).then_some(Self { year, month, day })
    }

    /// Of `YYYY-MM-DD`, alone or before a `T`.
    pub(crate) fn of_member(text: &str) -> Option<Self> {
        let (date, rest) = text.split_at_checked(10)?;
        let separated = date.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
        if !separated || !(rest.is_empty() || rest.starts_with(['T', 't'])) {
            return None;
        }
        Self::new(
            date[..4].parse().ok()?,
            date[5..7].parse().ok()?,
            date[8..].parse().ok()?,
        )
    }

    /// As a member's value.
    pub(crate) fn to_member(self) -> String {
        format!("{:04}-{:02}-{:02}T11:59:00Z", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_birthday_is_the_date_whatever_the_time() {
        for (text, expected) in [
            ("1974-07-22", Some("1974-07-22T11:59:00Z")),
            ("1974-07-22T00:00:00Z", Some("1974-07-22T11:59:00Z")),
            ("1974-07-22T23:59:00+02:00", Some("1974-07-22T11:59:00Z")),
            ("2000-02-29", Some("2000-02-29T11:59:00Z")),
            ("1900-02-29", None),
            ("0000-01-01", None),
            ("1974-13-01", None),
            ("1974-7-22", None),
            ("1974-07-22 or so", None),
            ("1974-07-2é", None),
            ("", None),
        ] {
            assert_eq!(
                Date::of_member(text).map(Date::to_member).as_deref(),
                expected,
                "{text}"
            );
        }
    }
}
