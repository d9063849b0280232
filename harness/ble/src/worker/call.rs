//! Calls into btleplug, each with a deadline, and what its errors mean.

use crate::failure::{Failure, Stage};
use std::future::Future;
use std::time::Duration;

/// How long one question to the system's Bluetooth service may take. It answers within milliseconds unless it is gone.
pub(super) const ASK_WITHIN: Duration = Duration::from_secs(5);

/// Why a call brought nothing.
#[derive(Debug)]
pub(super) enum CallError {
    /// The system said this.
    Said(String),
    /// It did not end in time.
    Slow(Duration),
}

/// Waits for a call, but not for ever.
pub(super) async fn within<T>(
    limit: Duration,
    call: impl Future<Output = btleplug::Result<T>>,
) -> Result<T, CallError> {
    match tokio::time::timeout(limit, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(CallError::Said(error.to_string())),
        Err(_) => Err(CallError::Slow(limit)),
    }
}

impl CallError {
    /// What it says, in words.
    pub(super) fn message(&self) -> String {
        match self {
            Self::Said(message) => message.clone(),
            Self::Slow(limit) => format!("no answer within {} ms", limit.as_millis()),
        }
    }

    /// As a failure of an adapter.
    pub(super) fn of_adapter(&self, adapter: &str, doing: &str) -> Failure {
        Failure::Adapter {
            adapter: adapter.to_owned(),
            doing: doing.to_owned(),
            message: self.message(),
        }
    }

    /// As a failure on the way to a link.
    pub(super) fn of_link(self, device: &str, stage: Stage) -> Failure {
        let device = device.to_owned();
        match self {
            Self::Said(message) if wants_pairing(&message) => Failure::Pairing {
                device,
                stage,
                message,
            },
            Self::Said(message) => Failure::Refused {
                device,
                stage,
                message,
            },
            Self::Slow(limit) => Failure::Slow {
                device,
                stage,
                waited_ms: millis(limit),
            },
        }
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Whether the system's words mean that the peripheral wants a better link than an open one: errors of BlueZ
/// (`bluez doc/org.bluez.GattCharacteristic.rst`, `bluez src/gatt-client.c`), and the names of the ATT errors 0x05
/// (authentication), 0x08 (authorization), 0x0c (key size) and 0x0f (encryption).
fn wants_pairing(message: &str) -> bool {
    const WORDS: [&str; 11] = [
        "notauthorized",
        "notpermitted",
        "authenticationfailed",
        "authenticationrejected",
        "authenticationcanceled",
        "insufficient auth",
        "insufficient enc",
        "att error: 0x05",
        "att error: 0x08",
        "att error: 0x0c",
        "att error: 0x0f",
    ];
    let message = message.to_ascii_lowercase();
    WORDS.iter().any(|word| message.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::encryption(
        "D-Bus error: Operation failed with ATT error: 0x0f (org.bluez.Error.Failed)"
    )]
    #[case::authentication(
        "D-Bus error: Operation failed with ATT error: 0x05 (org.bluez.Error.Failed)"
    )]
    #[case::not_permitted("D-Bus error: Notify not permitted (org.bluez.Error.NotPermitted)")]
    #[case::not_authorized("D-Bus error: Not authorized (org.bluez.Error.NotAuthorized)")]
    fn a_server_that_wants_security_is_told_from_a_broken_link(#[case] message: &str) {
        let failure = CallError::Said(message.to_owned()).of_link("C0", Stage::Subscribing);
        assert!(matches!(failure, Failure::Pairing { .. }), "{failure}");
        assert!(failure.help().contains("pair the board"));
    }

    #[test]
    fn other_errors_stay_what_they_are() {
        let said = "D-Bus error: Not connected (org.bluez.Error.Failed)".to_owned();
        let failure = CallError::Said(said).of_link("C0:00:00:00:00:01", Stage::Subscribing);
        insta::assert_snapshot!(failure, @"C0:00:00:00:00:01 failed while switching notifications on: D-Bus error: Not connected (org.bluez.Error.Failed)");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_never_ends_is_given_up() {
        let limit = Duration::from_secs(30);
        let never = within::<()>(limit, std::future::pending()).await;
        let failure = never.unwrap_err().of_link("C0", Stage::Connecting);
        insta::assert_snapshot!(failure, @"C0 was not done with connecting after 30000 ms");
    }
}
