//! Calls into btleplug, each with a deadline, and what its errors mean.

use crate::failure::{Failure, Stage};
use std::future::Future;
use std::time::Duration;

/// How long one question to the system's Bluetooth service may take. It answers within milliseconds unless it is gone, but not on a host
/// whose processors are busy: D-Bus itself waits for 25 s (dbus `dbus/dbus-connection-internal.h`, `_DBUS_DEFAULT_TIMEOUT_VALUE`).
pub(super) const ASK_WITHIN: Duration = Duration::from_secs(20);

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

/// Whether the system's words mean that the peripheral wants a better link than an open one: texts and names of BlueZ's
/// errors (`bluez src/error.c`, `src/gatt-client.c`), and ATT errors 0x05 (authentication), 0x08 (authorization), 0x0c
/// (key size) and 0x0f (encryption). btleplug passes the text of a D-Bus error on and drops its name.
fn wants_pairing(message: &str) -> bool {
    const WORDS: [&str; 12] = [
        "notpaired",
        "notauthorized",
        "authenticationfailed",
        "authenticationrejected",
        "authenticationcanceled",
        "authenticationtimeout",
        "insufficientauth",
        "insufficientenc",
        "atterror:0x05",
        "atterror:0x08",
        "atterror:0x0c",
        "atterror:0x0f",
    ];
    let message = squeezed(message);
    WORDS.iter().any(|word| message.contains(word))
}

/// Whether the system's words mean that a notify session of ours is there already (`bluez src/gatt-client.c`).
pub(super) fn is_in_progress(message: &str) -> bool {
    let message = squeezed(message);
    message.contains("inprogress") || message.contains("alreadynotifying")
}

/// In small letters and without blanks, so that a name and a text of the same words are the same.
fn squeezed(message: &str) -> String {
    let visible = message.chars().filter(|letter| !letter.is_whitespace());
    visible.map(|letter| letter.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::authentication_or_encryption("Not paired")]
    #[case::authorization("Operation Not Authorized")]
    #[case::pairing_failed("Authentication Failed")]
    #[case::pairing_took_too_long("Authentication Timeout")]
    #[case::by_name("org.bluez.Error.NotAuthorized")]
    #[case::encryption("Operation failed with ATT error: 0x0f")]
    #[case::authentication("Operation failed with ATT error: 0x05")]
    fn a_server_that_wants_security_is_told_from_a_broken_link(#[case] message: &str) {
        let failure = CallError::Said(message.to_owned()).of_link("C0", Stage::Subscribing);
        assert!(matches!(failure, Failure::Pairing { .. }), "{failure}");
        assert!(failure.help().contains("pair the board"));
    }

    #[rstest]
    #[case::text("In Progress", true)]
    #[case::older_text("Already notifying", true)]
    #[case::name("org.bluez.Error.InProgress", true)]
    #[case::something_else("Not paired", false)]
    fn a_session_that_is_left_over_is_told_from_other_errors(
        #[case] message: &str,
        #[case] expected: bool,
    ) {
        assert_eq!(is_in_progress(message), expected);
    }

    #[test]
    fn other_errors_stay_what_they_are() {
        let said = "Not connected".to_owned();
        let failure = CallError::Said(said).of_link("C0:00:00:00:00:01", Stage::Subscribing);
        insta::assert_snapshot!(failure, @"C0:00:00:00:00:01 failed while switching notifications on: Not connected");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_never_ends_is_given_up() {
        let limit = Duration::from_secs(30);
        let never = within::<()>(limit, std::future::pending()).await;
        let failure = never.unwrap_err().of_link("C0", Stage::Connecting);
        insta::assert_snapshot!(failure, @"C0 was not done with connecting after 30000 ms");
    }
}
