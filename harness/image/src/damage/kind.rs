//! The kinds of damage, with their words and what they are.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something that goes wrong with an image.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "what each is stands in the table below")]
pub enum Damage {
    FlipMagic,
    FlipLoadAddress,
    FlipHeaderSize,
    FlipProtectedSize,
    FlipImageSize,
    FlipFlags,
    FlipVersion,
    FlipReserved,
    FlipHeaderPadding,
    FlipPayloadStart,
    FlipPayloadEnd,
    FlipProtectedTlv,
    FlipTlvInfo,
    FlipHash,
    FlipKeyHash,
    FlipSignature,
    FlipEncryptionTlv,
    CutInHeader,
    CutAfterHeader,
    CutInPayload,
    CutAfterPayload,
    CutInTlvs,
    CutLastByte,
    TrailingBytes,
    LargerThanSlot,
    TooLargeToSwap,
    Padded,
    PaddedConfirmed,
    Unsigned,
    NoSignature,
    ForeignKey,
    ForeignEncryption,
    EncryptedFlag,
    OtherBoard,
    OtherCore,
    Older,
    LowCounter,
    BadDependency,
    NotBootable,
    EmptyPayload,
}

/// Kind, word in files, what it is.
const TABLE: [(Damage, &str, &str); 40] = {
    use Damage::*;
    [
        (
            FlipMagic,
            "flip-magic",
            "a bit of the header's magic is flipped",
        ),
        (
            FlipLoadAddress,
            "flip-load-address",
            "a bit of the header's load address is flipped",
        ),
        (
            FlipHeaderSize,
            "flip-header-size",
            "a bit of the header's size is flipped: everything behind it is looked for 4 bytes further on",
        ),
        (
            FlipProtectedSize,
            "flip-protected-size",
            "a bit of the size of the protected TLVs is flipped",
        ),
        (
            FlipImageSize,
            "flip-image-size",
            "a bit of the payload's size is flipped: the TLVs are looked for elsewhere",
        ),
        (
            FlipFlags,
            "flip-flags",
            "a flag that no bootloader uses (`PIC`) is set",
        ),
        (
            FlipVersion,
            "flip-version",
            "a bit of the version's revision is flipped",
        ),
        (
            FlipReserved,
            "flip-reserved",
            "a bit of the header's last word, which means nothing, is flipped",
        ),
        (
            FlipHeaderPadding,
            "flip-header-padding",
            "a bit between header and payload is flipped",
        ),
        (
            FlipPayloadStart,
            "flip-payload-start",
            "a bit of the payload's first byte is flipped",
        ),
        (
            FlipPayloadEnd,
            "flip-payload-end",
            "a bit of the payload's last byte is flipped",
        ),
        (
            FlipProtectedTlv,
            "flip-protected-tlv",
            "a bit of the first protected TLV's value is flipped",
        ),
        (
            FlipTlvInfo,
            "flip-tlv-info",
            "a bit of the magic in front of the TLVs is flipped",
        ),
        (FlipHash, "flip-hash", "a bit of the hash is flipped"),
        (
            FlipKeyHash,
            "flip-key-hash",
            "a bit of the hash that names the signing key is flipped",
        ),
        (
            FlipSignature,
            "flip-signature",
            "a bit of the signature is flipped",
        ),
        (
            FlipEncryptionTlv,
            "flip-encryption-tlv",
            "a bit of the wrapped content key is flipped",
        ),
        (
            CutInHeader,
            "cut-in-header",
            "only the first 16 bytes are left",
        ),
        (
            CutAfterHeader,
            "cut-after-header",
            "only the header is left",
        ),
        (
            CutInPayload,
            "cut-in-payload",
            "it ends in the middle of the payload",
        ),
        (
            CutAfterPayload,
            "cut-after-payload",
            "it ends with the payload, without TLVs",
        ),
        (
            CutInTlvs,
            "cut-in-tlvs",
            "it ends in the middle of the TLVs",
        ),
        (CutLastByte, "cut-last-byte", "its last byte is missing"),
        (
            TrailingBytes,
            "trailing-bytes",
            "64 bytes stand behind the TLVs",
        ),
        (
            LargerThanSlot,
            "larger-than-slot",
            "it has one byte more than the slot",
        ),
        (
            TooLargeToSwap,
            "too-large-to-swap",
            "it fits the slot, but leaves no room for what the bootloader needs there",
        ),
        (
            Padded,
            "padded",
            "it fills the slot and asks for a test by itself (`imgtool sign --pad`)",
        ),
        (
            PaddedConfirmed,
            "padded-confirmed",
            "it fills the slot and asks to stay by itself (`imgtool sign --confirm`)",
        ),
        (
            Unsigned,
            "unsigned",
            "the bare payload without header and TLVs: `zephyr.bin` instead of `zephyr.signed.bin`",
        ),
        (
            NoSignature,
            "no-signature",
            "it has its hash, and neither key nor signature",
        ),
        (
            ForeignKey,
            "foreign-key",
            "it is signed with a key that nobody knows",
        ),
        (
            ForeignEncryption,
            "foreign-encryption",
            "it is encrypted for a key that nobody knows",
        ),
        (
            EncryptedFlag,
            "encrypted-flag",
            "its header says that it is encrypted, and it is not",
        ),
        (
            OtherBoard,
            "other-board",
            "it was linked for slots elsewhere",
        ),
        (
            OtherCore,
            "other-core",
            "it was linked for the flash of the other core",
        ),
        (Older, "older", "its version is 0.0.0"),
        (LowCounter, "low-counter", "its security counter is 0"),
        (
            BadDependency,
            "bad-dependency",
            "it asks for a version of the other image that does not exist",
        ),
        (
            NotBootable,
            "not-bootable",
            "its header says that it must not be booted",
        ),
        (EmptyPayload, "empty-payload", "it has no payload at all"),
    ]
};

impl Damage {
    /// All of them.
    pub const ALL: [Self; TABLE.len()] = {
        let mut all = [Self::FlipMagic; TABLE.len()];
        let mut index = 0;
        while index < TABLE.len() {
            all[index] = TABLE[index].0;
            index += 1;
        }
        all
    };

    /// Its word in files, such as `flip-hash`.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.row().1
    }

    /// What it is, in words.
    #[must_use]
    pub fn summary(self) -> &'static str {
        self.row().2
    }

    /// The kind with this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|damage| damage.word() == word)
    }

    /// Whether the image has to be signed again with the device's own key.
    #[must_use]
    pub const fn signs_again(self) -> bool {
        matches!(
            self,
            Self::TooLargeToSwap
                | Self::ForeignEncryption
                | Self::EncryptedFlag
                | Self::OtherBoard
                | Self::OtherCore
                | Self::Older
                | Self::LowCounter
                | Self::BadDependency
                | Self::NotBootable
                | Self::EmptyPayload
        )
    }

    fn row(self) -> &'static (Self, &'static str, &'static str) {
        // The table is in the order of the enum, which a test pins.
        &TABLE[self as usize]
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_kind_in_order_under_its_own_word() {
        for (index, damage) in Damage::ALL.into_iter().enumerate() {
            assert_eq!(damage as usize, index, "{damage}");
            let word = serde_json::to_value(damage).expect("a plain enum");
            assert_eq!(word, damage.word());
            assert_eq!(Damage::of_word(damage.word()), Some(damage));
        }
        assert_eq!(Damage::of_word("flip-nothing"), None);
    }
}
