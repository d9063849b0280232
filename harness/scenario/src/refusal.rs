//! Images that must be refused: where, with which words, and what that leaves in flash.

use crate::step::{Answer, EraseAnswer, MarkAnswer};
use crate::units;
use crate::words::{ImageRef, Transport};
use hil_smp::Refused;
use serde::de::{Error as _, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::time::Duration;

/// An error of an SMP server by its name in the Zephyr sources, such as `INVALID_IMAGE_HEADER_MAGIC`: one of the image
/// group, or of the protocol layer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RefusalCode(&'static str);

impl RefusalCode {
    /// The code with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Refused::names().find(|known| *known == name).map(Self)
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }

    /// Whether the server's answer is this one.
    #[must_use]
    pub fn is(self, answer: &Refused) -> bool {
        answer.is_called(self.0)
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0)
    }
}

impl<'de> Deserialize<'de> for RefusalCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::named(&text).ok_or_else(|| {
            let nearest = crate::source::nearest(&text, Refused::names());
            let nearest = nearest.unwrap_or_else(|| {
                "names are those of the Zephyr sources, such as `NO_FREE_SLOT`".to_owned()
            });
            D::Error::custom(format_args!(
                "no SMP server has an error `{text}`: {nearest}"
            ))
        })
    }
}

/// Reads an answer, or the word for what `D` may also be: `None`.
struct AnswerOr {
    word: Option<&'static str>,
}

impl AnswerOr {
    fn read<'de, D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Answer>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnswerOr {
    type Value = Option<Answer>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`accepted`, `refused`")?;
        if let Some(word) = self.word {
            write!(f, ", `{word}`")?;
        }
        f.write_str(" or `{ refused: CODE }`")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        match text {
            "accepted" => Ok(Some(Answer::Accepted)),
            "refused" => Ok(Some(Answer::Refused(None))),
            other if self.word == Some(other) => Ok(None),
            other => Err(E::invalid_value(Unexpected::Str(other), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        match map.next_key::<String>()?.as_deref() {
            Some("refused") => {
                let code = map.next_value()?;
                match map.next_key::<String>()? {
                    None => Ok(Some(Answer::Refused(Some(code)))),
                    Some(other) => Err(A::Error::unknown_field(&other, &["refused"])),
                }
            }
            Some(other) => Err(A::Error::unknown_field(other, &["refused"])),
            None => Err(A::Error::missing_field("refused")),
        }
    }
}

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let answer = AnswerOr { word: None }.read(deserializer)?;
        // There is no word for nothing.
        Ok(answer.unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for MarkAnswer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = Some("ignored");
        let answer = AnswerOr { word }.read(deserializer)?;
        Ok(answer.map_or(Self::Ignored, Self::Honest))
    }
}

impl Default for MarkAnswer {
    fn default() -> Self {
        Self::Honest(Answer::Accepted)
    }
}

impl<'de> Deserialize<'de> for EraseAnswer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = Some("misreported");
        let answer = AnswerOr { word }.read(deserializer)?;
        Ok(answer.map_or(Self::Misreported, Self::Honest))
    }
}

impl Default for EraseAnswer {
    fn default() -> Self {
        Self::Honest(Answer::Accepted)
    }
}

/// An image is sent, a test of it is requested, and the board resets: on that way it must be refused, and what ran before
/// must go on running.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "RawExpectRefusal")]
pub struct ExpectRefusal {
    /// What is sent.
    pub image: ImageRef,
    /// SMP image number; 0 when not given.
    pub to: Option<u8>,
    /// The link; the variant's own when not given.
    pub over: Option<Transport>,
    /// How it is refused.
    pub refusal: Refusal,
    /// How long the boot may take in which it is refused.
    pub within: Duration,
}

/// An update as a client makes it, from the upload to the confirmation: it must come to what the versions of both releases and
/// the bootloader's downgrade prevention make of it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ExpectUpdate {
    /// What is sent.
    pub image: ImageRef,
    /// How long the boot may take in which it is swapped in or refused.
    #[serde(default = "units::boot_within", deserialize_with = "units::duration")]
    pub within: Duration,
}

/// Where an image is refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The server does not take it, and answers with this error.
    Upload(RefusalCode),
    /// The server takes it, but finds no image there to be tested.
    Mark(RefusalCode),
    /// The bootloader does not bring it in.
    Boot {
        /// Part of a line on the application core's console.
        says: Option<String>,
        /// What is in the secondary slot after that.
        leaves: Leaves,
    },
}

/// What a bootloader leaves of an image that it refused.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Leaves {
    /// Nothing: the whole slot is erased.
    Erased,
    /// The image, without a request: the trailer is erased.
    Image,
    /// The image and the request.
    Request,
    /// The image but for its first sector, and no request.
    Rest,
}

impl fmt::Display for Leaves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Erased => "nothing",
            Self::Image => "the image without a request",
            Self::Request => "the image and the request",
            Self::Rest => "the image without its first sector",
        })
    }
}

impl fmt::Display for ExpectRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refuses {} ", self.image)?;
        match &self.refusal {
            Refusal::Upload(code) => write!(f, "at the upload with {code}"),
            Refusal::Mark(code) => write!(f, "when it is to be tested with {code}"),
            Refusal::Boot { leaves, .. } => write!(f, "at boot and leaves {leaves}"),
        }
    }
}

/// [`ExpectRefusal`] as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExpectRefusal {
    image: ImageRef,
    to: Option<u8>,
    over: Option<Transport>,
    at: RefusedAt,
    code: Option<RefusalCode>,
    says: Option<String>,
    leaves: Option<Leaves>,
    #[serde(default = "units::boot_within", deserialize_with = "units::duration")]
    within: Duration,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RefusedAt {
    Upload,
    Mark,
    Boot,
}

impl TryFrom<RawExpectRefusal> for ExpectRefusal {
    type Error = &'static str;

    fn try_from(raw: RawExpectRefusal) -> Result<Self, Self::Error> {
        let refusal = match (raw.at, raw.code, raw.says, raw.leaves) {
            (RefusedAt::Upload, Some(code), None, None) => Refusal::Upload(code),
            (RefusedAt::Mark, Some(code), None, None) => Refusal::Mark(code),
            (RefusedAt::Upload | RefusedAt::Mark, None, ..) => {
                return Err("say with which error: `code: NAME`, such as `NO_FREE_SLOT`");
            }
            (RefusedAt::Upload | RefusedAt::Mark, Some(_), ..) => {
                return Err("`says` and `leaves` belong to `at: boot`");
            }
            (RefusedAt::Boot, None, says, Some(leaves)) => {
                if says.as_deref() == Some("") {
                    return Err("`says` is empty, and every line has that");
                }
                Refusal::Boot { says, leaves }
            }
            (RefusedAt::Boot, None, _, None) => {
                return Err(
                    "say what is left in the slot: `leaves: erased`, `image`, `request` or `rest`",
                );
            }
            (RefusedAt::Boot, Some(_), ..) => {
                return Err(
                    "`code` belongs to `at: upload` and `at: mark`: a bootloader answers nobody",
                );
            }
        };
        Ok(Self {
            image: raw.image,
            to: raw.to,
            over: raw.over,
            refusal,
            within: raw.within,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
        let value: serde_yaml::Value =
            serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        crate::node::read(&value, &[]).map_err(|error| {
            error
                .in_file(&crate::source::Source::new("a.yaml", text))
                .to_string()
        })
    }

    #[rstest]
    #[case::accepted("accepted", Ok(Answer::Accepted))]
    #[case::refused("refused", Ok(Answer::Refused(None)))]
    #[case::with_a_code(
        "{ refused: NO_FREE_SLOT }",
        Ok(Answer::Refused(RefusalCode::named("NO_FREE_SLOT")))
    )]
    #[case::of_the_protocol_layer(
        "{ refused: EINVAL }",
        Ok(Answer::Refused(RefusalCode::named("EINVAL")))
    )]
    #[case::unknown_code(
        "{ refused: NO_FREE_SLOTS }",
        Err(
            "a.yaml:1:12: no SMP server has an error `NO_FREE_SLOTS`: did you mean `NO_FREE_SLOT`?"
        )
    )]
    #[case::unknown_word(
        "refuses",
        Err("a.yaml:1:1: found `refuses`, expected `accepted`, `refused` or `{ refused: CODE }`")
    )]
    fn an_answer_may_say_which_error_it_is(
        #[case] text: &str,
        #[case] expected: Result<Answer, &str>,
    ) {
        assert_eq!(read(text), expected.map_err(str::to_owned));
    }

    #[rstest]
    #[case::no_code("at: upload", "say with which error")]
    #[case::no_leaves("at: boot", "say what is left in the slot")]
    #[case::code_of_a_bootloader(
        "at: boot, code: NO_FREE_SLOT, leaves: erased",
        "`code` belongs to"
    )]
    #[case::slot_of_an_upload(
        "at: mark, code: NO_IMAGE, leaves: erased",
        "`says` and `leaves` belong to"
    )]
    fn a_refusal_that_makes_no_sense_says_what_is_wrong(#[case] keys: &str, #[case] message: &str) {
        let text = format!("{{ image: update.app, {keys} }}");
        let error = read::<ExpectRefusal>(&text).expect_err("it makes no sense");
        assert!(error.contains(message), "{error}");
    }
}
