//! When a certificate holds, and when it is time for the next one.

use rcgen::CertificateParams;
use time::OffsetDateTime;
use x509_parser::prelude::FromDer;

use crate::Error;

const DAY: i64 = 86_400;
/// Back-dating of every certificate, seconds: clocks differ (decision 17).
pub const BACK_DATE: i64 = 600;

/// A certificate's time, Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First second.
    pub not_before: i64,
    /// Last second.
    pub not_after: i64,
}

impl Validity {
    /// Reads it from the first certificate of a PEM text.
    ///
    /// # Errors
    /// [`Error::Read`] when there is none.
    pub fn of_pem(pem: &str) -> Result<Self, Error> {
        let failed = |reason: String| Error::Read { what: "certificate", reason };
        let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).map_err(|e| failed(e.to_string()))?;
        let (_, certificate) = x509_parser::certificate::X509Certificate::from_der(&pem.contents)
            .map_err(|e| failed(e.to_string()))?;
        let validity = certificate.validity();
        Ok(Self { not_before: validity.not_before.timestamp(), not_after: validity.not_after.timestamp() })
    }

    /// Whether the next certificate should be made: a third of the life is left, or it does not hold at `now`.
    #[must_use]
    pub fn due(&self, now: i64) -> bool {
        now < self.not_before || now >= self.renewal()
    }

    /// The moment from which on [`due`](Self::due) holds.
    #[must_use]
    pub fn renewal(&self) -> i64 {
        self.not_after - (self.not_after - self.not_before) / 3
    }
}

pub(crate) fn set(params: &mut CertificateParams, now: i64, days: u32) -> Result<(), Error> {
    params.not_before = time(now - BACK_DATE)?;
    params.not_after = time(now + i64::from(days) * DAY)?;
    Ok(())
}

pub(crate) fn time(seconds: i64) -> Result<OffsetDateTime, Error> {
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| Error::Time(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewal_is_due_in_the_last_third_and_outside_the_validity() {
        let validity = Validity { not_before: 0, not_after: 90 };
        assert!(validity.due(-1));
        assert!(!validity.due(0));
        assert!(!validity.due(59));
        assert!(validity.due(60));
        assert!(validity.due(91));
    }
}
