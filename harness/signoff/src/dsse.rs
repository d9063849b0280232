//! Envelopes for signed statements (DSSE v1, secure-systems-lab/dsse `protocol.md` and `envelope.md`).
//!
//! What is signed is the payload's type and the payload's bytes, never a parsed form of them; the payload comes out of
//! [`Envelope::verified`] only, so that nothing is read that nobody signed.

use crate::key::{SigningKey, VerifyingKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The payload type of in-toto statements (in-toto/attestation `spec/v1/envelope.md`).
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// A payload and signatures that may or may not be of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Envelope {
    payload_type: String,
    payload: Vec<u8>,
    signatures: Vec<(String, Vec<u8>)>,
}

/// Why an envelope says nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EnvelopeError {
    /// It is none.
    #[error("it is no DSSE envelope: {0}")]
    Damaged(String),
    /// Fewer of the trusted keys signed it than must.
    #[error("{signed} of {keys} trusted keys signed it, expected {wanted}; it has {signatures} signatures{}", by(.ids))]
    Signatures {
        /// How many trusted keys signed it.
        signed: usize,
        /// How many keys are trusted.
        keys: usize,
        /// How many must sign.
        wanted: usize,
        /// How many signatures there are.
        signatures: usize,
        /// Which keys they say that they are of.
        ids: Vec<String>,
    },
    /// What it carries is something else.
    #[error("its payload is `{0}`, expected `{IN_TOTO}`")]
    Type(String),
}

fn by(ids: &[String]) -> String {
    let short: Vec<&str> = ids.iter().map(|id| id.get(..8).unwrap_or(id)).collect();
    match short.as_slice() {
        [] => String::new(),
        ids => format!(", by {}", ids.join("…, ")) + "…",
    }
}

/// As JSON.
#[derive(Deserialize, Serialize)]
struct Json {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<JsonSignature>,
}

#[derive(Deserialize, Serialize)]
struct JsonSignature {
    #[serde(default)]
    keyid: String,
    sig: String,
}

impl Envelope {
    /// Signs a statement.
    #[must_use]
    pub fn sign(payload: Vec<u8>, keys: &[SigningKey]) -> Self {
        let mut envelope = Self {
            payload_type: IN_TOTO.to_owned(),
            payload,
            signatures: Vec::new(),
        };
        for key in keys {
            envelope.add_signature(key);
        }
        envelope
    }

    /// Adds the signature of one more key; one that has signed already is left as it is.
    pub fn add_signature(&mut self, key: &SigningKey) {
        let signed = self.signatures.iter().any(|(id, _)| id == key.id());
        if !signed {
            let signature = key.sign(&pae(&self.payload_type, &self.payload));
            self.signatures.push((key.id().to_owned(), signature));
        }
    }

    /// Reads one.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn from_json(text: &[u8]) -> Result<Self, EnvelopeError> {
        let damaged = |what: String| EnvelopeError::Damaged(what);
        let json: Json =
            serde_json::from_slice(text).map_err(|error| damaged(error.to_string()))?;
        let decode = |what: &str, text: &str| {
            STANDARD
                .decode(text)
                .or_else(|_| URL_SAFE.decode(text))
                .map_err(|error| damaged(format!("`{what}` is no base64: {error}")))
        };
        Ok(Self {
            payload: decode("payload", &json.payload)?,
            payload_type: json.payload_type,
            signatures: json
                .signatures
                .into_iter()
                .map(|signature| Ok((signature.keyid, decode("sig", &signature.sig)?)))
                .collect::<Result<_, EnvelopeError>>()?,
        })
    }

    /// As JSON, with a line end.
    #[must_use]
    pub fn to_json(&self) -> String {
        let json = Json {
            payload: STANDARD.encode(&self.payload),
            payload_type: self.payload_type.clone(),
            signatures: self
                .signatures
                .iter()
                .map(|(id, signature)| JsonSignature {
                    keyid: id.clone(),
                    sig: STANDARD.encode(signature),
                })
                .collect(),
        };
        let mut text = serde_json::to_string_pretty(&json).expect("there are only texts in it");
        text.push('\n');
        text
    }

    /// The statement, when at least `wanted` of `keys` signed it. A key counts once, however often it signed, and the
    /// key id beside a signature counts for nothing.
    ///
    /// # Errors
    ///
    /// Too few of the keys signed it, or it is no in-toto statement.
    pub fn verified(&self, keys: &[VerifyingKey], wanted: usize) -> Result<&[u8], EnvelopeError> {
        let message = pae(&self.payload_type, &self.payload);
        let signed: BTreeSet<&str> = keys
            .iter()
            .filter(|key| {
                let mut signatures = self.signatures.iter();
                signatures.any(|(_, signature)| key.verifies(&message, signature))
            })
            .map(VerifyingKey::id)
            .collect();
        if signed.len() < wanted.max(1) {
            return Err(EnvelopeError::Signatures {
                signed: signed.len(),
                keys: keys.len(),
                wanted: wanted.max(1),
                signatures: self.signatures.len(),
                ids: self.signatures.iter().map(|(id, _)| id.clone()).collect(),
            });
        }
        if self.payload_type != IN_TOTO {
            return Err(EnvelopeError::Type(self.payload_type.clone()));
        }
        Ok(&self.payload)
    }
}

/// What is signed: type and payload, each with its length in front.
fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    )
    .into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_keys::{self, ed25519, p256};
    use proptest::prelude::*;
    use rstest::rstest;

    #[test]
    fn the_signed_bytes_are_those_of_the_protocol() {
        // The example of the protocol's description.
        assert_eq!(
            pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn the_envelope_in_the_protocols_description_verifies() {
        // The key and the result of the example there.
        let key = test_keys::p256_point(
            "67cd390f77aa359cb08c2235f652270493a9ed832b0abcc01f70954c0390d238",
            "0c782bd54e269125a44f4433aff1432ce94e12bca73aa67ac80cea12608ddf74",
        );
        let text = r#"{"payload": "aGVsbG8gd29ybGQ=", "payloadType": "http://example.com/HelloWorld", "signatures": [{"sig":
            "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="}]}"#;
        let envelope = Envelope::from_json(text.as_bytes()).unwrap();
        let expected = EnvelopeError::Type("http://example.com/HelloWorld".to_owned());
        assert_eq!(envelope.verified(&[key], 1), Err(expected));
        let other = p256(1).public();
        assert!(matches!(
            envelope.verified(&[other], 1),
            Err(EnvelopeError::Signatures { .. })
        ));
    }

    #[rstest]
    #[case::ed25519(ed25519(1))]
    #[case::p256(p256(1))]
    fn an_envelope_reads_back_and_verifies(#[case] key: SigningKey) {
        let envelope = Envelope::sign(b"{}".to_vec(), std::slice::from_ref(&key));
        let read = Envelope::from_json(envelope.to_json().as_bytes()).unwrap();
        assert_eq!(read, envelope);
        assert_eq!(read.verified(&[key.public()], 1), Ok(&b"{}"[..]));
    }

    #[test]
    fn a_signature_that_is_there_twice_counts_once() {
        let (one, two) = (ed25519(1), ed25519(2));
        let mut envelope = Envelope::sign(b"{}".to_vec(), std::slice::from_ref(&one));
        envelope.signatures.push(envelope.signatures[0].clone());
        let error = envelope
            .verified(&[one.public(), two.public()], 2)
            .unwrap_err();
        assert!(
            matches!(error, EnvelopeError::Signatures { signed: 1, .. }),
            "{error}"
        );
    }

    #[test]
    fn a_key_that_is_trusted_twice_counts_once() {
        let one = ed25519(1);
        let envelope = Envelope::sign(b"{}".to_vec(), std::slice::from_ref(&one));
        assert!(envelope.verified(&[one.public(), one.public()], 2).is_err());
    }

    #[test]
    fn nobody_is_not_enough() {
        let envelope = Envelope::sign(b"{}".to_vec(), &[]);
        assert!(envelope.verified(&[], 0).is_err());
    }

    #[test]
    fn the_type_of_the_payload_is_signed() {
        let key = ed25519(1);
        let mut envelope = Envelope::sign(b"{}".to_vec(), std::slice::from_ref(&key));
        envelope.payload_type = "text/plain".to_owned();
        assert!(envelope.verified(&[key.public()], 1).is_err());
    }

    proptest! {
        #[test]
        fn no_other_bytes_verify(payload in prop::collection::vec(any::<u8>(), 1..200), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let key = ed25519(1);
            let mut envelope = Envelope::sign(payload.clone(), std::slice::from_ref(&key));
            envelope.payload[at.index(payload.len())] ^= 1 << bit;
            prop_assert!(envelope.verified(&[key.public()], 1).is_err());
        }

        #[test]
        fn any_text_is_an_envelope_or_an_error(text in ".{0,200}") {
            drop(Envelope::from_json(text.as_bytes()));
        }
    }
}
