//! Whose MCUboot it is, and of which release: every difference between the lines is one question here.
//!
//! The lines of the nRF Connect SDK are those of its fork `nrfconnect/sdk-mcuboot`. Between two releases that are named here
//! the fork did not change what this model covers, except where the variant says so.
//!
//! Source of each answer: `boot/bootutil/src` of the tags that the variants name, compared by running them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::config::Mode;

/// Whose MCUboot. The lines of the SDK stand in the order of their releases.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// SDK 2.3 and before, tag `v1.9.99-ncs4`: permanent updates escape downgrade prevention, and what was found out about
    /// an interrupted swap of one image is applied to the next.
    #[serde(rename = "nordic-2.3")]
    Nordic23,
    /// SDK 2.4, tag `v1.10.0-ncs1`: permanent updates still escape downgrade prevention.
    #[serde(rename = "nordic-2.4")]
    Nordic24,
    /// SDK 2.5, tag `v1.10.99-ncs1`: after an update of several images their headers are looked for where the last one's
    /// swap left them.
    #[serde(rename = "nordic-2.5")]
    Nordic25,
    /// SDK 2.6, tag `v2.0.99-ncs1`: any TLV may stand in the unprotected area.
    #[serde(rename = "nordic-2.6")]
    Nordic26,
    /// SDK 2.7, tag `v2.1.0-ncs1`: scratch areas hold plain text, headers are not looked for in them, and everything whose
    /// reset vector is not in the application core's flash goes to the network core.
    #[serde(rename = "nordic-2.7")]
    Nordic27,
    /// SDK 2.8 and 2.9, tag `v2.1.0-ncs3`: a revert needs an erased secondary magic, and there is no swap-using-offset.
    #[serde(rename = "nordic-2.9")]
    Nordic29,
    /// SDK 3.0, tag `v2.1.0-ncs5`: the first with swap-using-offset, whose trailer is shorter than later; a range is erased
    /// in one call.
    #[serde(rename = "nordic-3.0")]
    Nordic30,
    /// SDK 3.1, tag `ncs-v3.1.0`: a request over a bad magic still erases the secondary slot.
    #[serde(rename = "nordic-3.1")]
    Nordic31,
    /// SDK 3.2 to 3.4, tags `ncs-v3.2.0` to `ncs-v3.4.0`: a request for the network core stays where b0n refuses, and in
    /// overwrite mode always.
    #[serde(rename = "nordic-3.4")]
    Nordic34,
    /// What comes after SDK 3.4: the fork's `main` of August 2026.
    #[default]
    Nordic,
    /// `mcu-tools/mcuboot`: an unsatisfied dependency cancels the updates of all images, and network core images are not
    /// known.
    Upstream,
}

impl Line {
    /// All of them, the oldest of the SDK's first.
    pub const ALL: [Self; 11] = [
        Self::Nordic23,
        Self::Nordic24,
        Self::Nordic25,
        Self::Nordic26,
        Self::Nordic27,
        Self::Nordic29,
        Self::Nordic30,
        Self::Nordic31,
        Self::Nordic34,
        Self::Nordic,
        Self::Upstream,
    ];

    /// Whether it is one of `nrfconnect/sdk-mcuboot`.
    #[must_use]
    pub fn is_nordic(self) -> bool {
        self != Self::Upstream
    }

    /// Whether it can be built with swap-using-offset.
    #[must_use]
    pub fn has_swap_offset(self) -> bool {
        self > Self::Nordic29
    }
}

impl fmt::Display for Line {
    /// `SDK 2.9`, or `upstream`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nordic23 => "SDK 2.3",
            Self::Nordic24 => "SDK 2.4",
            Self::Nordic25 => "SDK 2.5",
            Self::Nordic26 => "SDK 2.6",
            Self::Nordic27 => "SDK 2.7",
            Self::Nordic29 => "SDK 2.9",
            Self::Nordic30 => "SDK 3.0",
            Self::Nordic31 => "SDK 3.1",
            Self::Nordic34 => "SDK 3.4",
            Self::Nordic => "the SDK after 3.4",
            Self::Upstream => "upstream",
        })
    }
}

/// What is left in RAM.
impl Line {
    /// Whether the content keys are wiped from RAM, in a way that no compiler leaves out, before an image is started
    /// (`context_boot_go` in `boot/bootutil/src/loader.c`: `like_mbedtls_zeroize`, later `bootutil_wipe_memory`, of the `boot_status`
    /// that has them). Tag `v1.9.99-ncs4` has a `memset` of that local there, as upstream's releases up to 1.10 have.
    ///
    /// That is of a boot. What serial recovery decrypts with stays on its stack in all lines of the SDK, and upstream up to
    /// 2.4.0 (`boot/boot_serial/src/boot_serial_encryption.c`, `decrypt_image_inplace`).
    #[must_use]
    pub fn wipes_content_keys(self) -> bool {
        self > Self::Nordic23
    }
}

/// What is asked of a trailer and what a trailer asks for.
impl Line {
    /// Whether a request over a bad magic erases the secondary slot, and with it the image to go back to.
    pub(crate) fn request_over_bad_magic_erases_slot(self) -> bool {
        self <= Self::Nordic31
    }

    /// Whether a request names image 0 in `swap_info` whichever image it is for.
    pub(crate) fn requests_name_the_first_image(self) -> bool {
        self <= Self::Nordic24
    }

    /// Whether half a magic in the secondary slot keeps an image on trial from being reverted (mcuboot#1966).
    pub(crate) fn revert_needs_erased_secondary_magic(self) -> bool {
        self <= Self::Nordic29
    }

    /// Whether only requests for a test are held against downgrade prevention, not permanent ones (mcuboot#1708).
    pub(crate) fn permanent_escapes_downgrade_prevention(self) -> bool {
        self <= Self::Nordic24
    }

    /// Whether an unsatisfied dependency cancels the updates of all images, not only of the one that has it.
    pub(crate) fn dependency_cancels_all_updates(self) -> bool {
        self == Self::Upstream
    }
}

/// Flash operations.
impl Line {
    /// Whether a range is erased in one operation, and must be whole sectors for it.
    pub(crate) fn erases_in_one_operation(self) -> bool {
        self <= Self::Nordic30
    }

    /// Whether a trailer is erased sector by sector with an assertion on each.
    pub(crate) fn insists_on_erased_trailer(self) -> bool {
        self <= Self::Nordic30
    }

    /// Whether the keys of a swap must get written into its trailer.
    pub(crate) fn insists_on_written_keys(self) -> bool {
        self <= Self::Nordic31
    }

    /// Whether keys in the trailer of an interrupted swap must be readable and right.
    pub(crate) fn insists_on_kept_keys(self) -> bool {
        self.is_nordic()
    }

    /// Whether the end of an encrypted payload in the chunk of its header is counted from the header's start, so that as
    /// many bytes of the TLVs are decrypted as the header has.
    pub(crate) fn decrypts_beyond_short_payload(self) -> bool {
        self <= Self::Nordic31
    }

    /// Whether payloads are decrypted on their way into the scratch area, not on their way out.
    pub(crate) fn scratch_holds_plain_text(self) -> bool {
        self <= Self::Nordic27
    }

    /// Whether a scratch area with more sectors than the table takes counts as an unusable primary slot.
    pub(crate) fn counts_scratch_sectors(self) -> bool {
        self <= Self::Nordic30
    }

    /// Whether both slots' sectors are counted with one index when groups for the scratch area are made.
    pub(crate) fn groups_with_one_index(self) -> bool {
        self <= Self::Nordic29
    }

    /// Whether the first group of swap-using-scratch is erased with what it holds of the trailer, and the whole trailer
    /// only behind the copy.
    pub(crate) fn erases_trailer_with_its_group(self) -> bool {
        self <= Self::Nordic29
    }

    /// Whether only as much of the scratch area is erased at the end as the first group has.
    pub(crate) fn leaves_rest_of_scratch(self) -> bool {
        self <= Self::Nordic23
    }

    /// Whether the largest image is all that lies below the trailer, with no spare sector.
    pub(crate) fn largest_image_ends_at_trailer(self) -> bool {
        self <= Self::Nordic30
    }

    /// Whether the sector that an update lies higher with swap-using-offset counts as a part of it.
    pub(crate) fn counts_update_from_slot_start(self) -> bool {
        self <= Self::Nordic30
    }

    /// Whether the largest image leaves room for the trailer in the scratch area.
    pub(crate) fn leaves_room_in_scratch(self) -> bool {
        self > Self::Nordic29
    }

    /// Whether swap-using-move also takes a primary whose sectors below the trailer are one more than the secondary's.
    pub(crate) fn compares_usable_sectors(self) -> bool {
        matches!(self, Self::Nordic27 | Self::Nordic29 | Self::Nordic30)
    }

    /// Whether the trailer of swap-using-offset keeps the sizes of the TLV areas.
    pub(crate) fn keeps_tlv_sizes(self) -> bool {
        self > Self::Nordic31
    }
}

/// Resuming a swap.
impl Line {
    /// Whether an area whose magic cannot be read is taken for the one with the status.
    pub(crate) fn takes_unreadable_area_for_status(self) -> bool {
        self <= Self::Nordic29
    }

    /// Whether `swap_size` is only there where a magic is good (swap-using-scratch).
    pub(crate) fn needs_magic_for_swap_size(self) -> bool {
        self <= Self::Nordic29
    }

    /// Whether a swap cannot be resumed where no magic is good.
    pub(crate) fn needs_magic_to_resume(self) -> bool {
        self <= Self::Nordic23
    }

    /// Whether headers after a resumed swap are looked for by the progress of that swap.
    pub(crate) fn rereads_resumed_headers_by_progress(self) -> bool {
        self <= Self::Nordic29
    }

    /// Whether headers before the last check of the primary slots are looked for by the progress of the last image.
    pub(crate) fn rereads_final_headers_by_progress(self) -> bool {
        self <= Self::Nordic25
    }

    /// Whether swap-using-move remembers where the last swap of this boot ended, of whichever image, instead of reading
    /// `swap_size`.
    pub(crate) fn remembers_last_sector(self) -> bool {
        self <= Self::Nordic23
    }

    /// Whether headers are looked for in the scratch area, and again once the progress is known.
    pub(crate) fn finds_headers_in_scratch(self) -> bool {
        self > Self::Nordic27
    }

    /// Whether a revert with swap-using-move that has lost its image is given up.
    pub(crate) fn gives_up_stuck_revert(self) -> bool {
        self > Self::Nordic29
    }
}

/// Validation.
impl Line {
    /// Whether headers with flags that the build does not know are refused.
    pub(crate) fn checks_header_flags(self) -> bool {
        self > Self::Nordic27
    }

    /// Whether an image is hashed before its header is judged, so that its content key is loaded even so.
    pub(crate) fn checks_header_last(self) -> bool {
        self <= Self::Nordic27
    }

    /// Whether TLVs that should be protected are refused in the unprotected area.
    pub(crate) fn has_tlv_allow_list(self) -> bool {
        self > Self::Nordic26
    }

    /// Whether the allow list has the SHA-512 of an image.
    pub(crate) fn allows_sha512(self) -> bool {
        self > Self::Nordic27
    }

    /// Whether TLV lengths are held against the end of their area.
    pub(crate) fn checks_tlv_lengths(self) -> bool {
        self == Self::Upstream
    }
}

/// The network core, and where images run.
impl Line {
    /// Whether only what lies in the network core's application partition is for the network core; before, everything
    /// above the start of its flash. Cipher text that is taken for a reset vector mostly is.
    pub(crate) fn knows_network_partition(self) -> bool {
        self > Self::Nordic27
    }

    /// Whether the request for the network core is forgotten whatever b0n said, in all modes (sdk-mcuboot pull request
    /// 405). Before: only in swap-move and swap-scratch, and only when b0n did it.
    pub(crate) fn always_forgets_network_request(self) -> bool {
        self > Self::Nordic34
    }

    /// Whether the check of addresses lets an image for the network core through the application's secondary slot.
    pub(crate) fn address_check_knows_shared_slot(self) -> bool {
        self > Self::Nordic34
    }

    /// Whether the check of addresses takes the address behind the slot's last byte for one in it.
    pub(crate) fn address_check_takes_end(self) -> bool {
        self <= Self::Nordic31
    }

    /// Whether the check of addresses knows that external flash is seen at its window.
    pub(crate) fn address_check_knows_window(self) -> bool {
        matches!(self, Self::Nordic34 | Self::Nordic)
    }

    /// Whether the check of addresses leaves images alone that are neither the application nor the network core's.
    pub(crate) fn address_check_skips_other_images(self) -> bool {
        self > Self::Nordic27 && self.is_nordic()
    }
}

/// The recovery server.
impl Line {
    /// Whether a list takes for cipher text what is flagged as encrypted in this slot. What came in through serial recovery was
    /// decrypted where it lies, so it is not listed then: SDK 2.5 does so with any slot (mcuboot#1753), SDK 2.6 where the
    /// primary slot is the secondary one too (mcuboot#1864).
    #[must_use]
    pub fn lists_as_cipher_text(self, mode: Mode, is_secondary: bool) -> bool {
        match self {
            Self::Nordic23 | Self::Nordic24 => false,
            Self::Nordic25 => true,
            Self::Nordic26 => is_secondary || mode == Mode::SingleSlot,
            _ => is_secondary,
        }
    }

    /// Whether an upload erases the last sectors also of a slot that has no trailer.
    pub(crate) fn erases_trailer_of_single_slot(self) -> bool {
        self <= Self::Nordic30
    }
}

/// Console lines.
impl Line {
    /// Whether the line of the swap type, those of an overwrite and that of downgrade prevention name the image.
    pub(crate) fn names_image(self) -> bool {
        self > Self::Nordic24
    }

    /// Whether complaints begin with a capital letter.
    pub(crate) fn capitalises_complaints(self) -> bool {
        self > Self::Nordic34
    }

    /// Whether the complaint about an invalid image comes before the slot is erased.
    pub(crate) fn complains_before_erasing(self) -> bool {
        self == Self::Upstream
    }

    /// Whether an unreachable secondary slot is named with a full stop behind the image.
    pub(crate) fn dots_image_number(self) -> bool {
        self.is_nordic()
    }

    /// Whether a missing key in the trailer of an interrupted swap is told.
    pub(crate) fn tells_missing_key(self) -> bool {
        self == Self::Upstream
    }

    /// Whether the version of the started image is told.
    pub(crate) fn tells_version(self) -> bool {
        self > Self::Nordic29
    }

    /// Whether a single-slot build tells that an image is larger than the slot.
    pub(crate) fn tells_image_larger_than_slot(self) -> bool {
        self > Self::Nordic30
    }

    /// Whether it is told that an address cannot be read.
    pub(crate) fn address_check_tells_failed_read(self) -> bool {
        self > Self::Nordic31
    }

    /// How the check of addresses complains.
    pub(crate) fn address_complaint(self, image: usize) -> String {
        if self <= Self::Nordic31 {
            "Reset address of image in secondary slot is not in the primary slot".to_owned()
        } else {
            format!(
                "Binary in secondary slot of image {image} is not designated for the primary slot"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::upstream("upstream", Line::Upstream)]
    #[case::newest("nordic", Line::Nordic)]
    #[case::sdk_2_3("nordic-2.3", Line::Nordic23)]
    #[case::sdk_2_4("nordic-2.4", Line::Nordic24)]
    #[case::sdk_2_5("nordic-2.5", Line::Nordic25)]
    #[case::sdk_2_6("nordic-2.6", Line::Nordic26)]
    #[case::sdk_2_7("nordic-2.7", Line::Nordic27)]
    #[case::sdk_2_9("nordic-2.9", Line::Nordic29)]
    #[case::sdk_3_0("nordic-3.0", Line::Nordic30)]
    #[case::sdk_3_1("nordic-3.1", Line::Nordic31)]
    #[case::sdk_3_4("nordic-3.4", Line::Nordic34)]
    fn a_line_is_named_by_its_word(#[case] word: &str, #[case] line: Line) {
        assert_eq!(serde_json::from_value::<Line>(json!(word)).unwrap(), line);
        assert_eq!(serde_json::to_value(line).unwrap(), json!(word));
    }

    #[test]
    fn lines_stand_in_the_order_of_their_releases() {
        assert!(Line::ALL.is_sorted());
    }
}
