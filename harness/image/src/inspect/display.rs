//! The text of an inspection.

use std::fmt;

use super::Inspection;
use super::report::{NetworkVerdict, PayloadState, TlvReport, Verdict};

/// Longest value that is written out in full, hex digits: a SHA-512.
const VALUE_MOST: usize = 128;

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.verdict)?;
        writeln!(f)?;
        field(f, "file", format_args!("{} bytes", self.size))?;
        field(f, "SHA-256", &self.sha256)?;
        if let Some(size) = self.image_size {
            field(
                f,
                "image",
                format_args!("{size} bytes, header to end of TLVs"),
            )?;
        }
        if let Some(hash) = &self.image_hash {
            field(f, "image hash", hash)?;
        }
        self.fmt_header(f)?;
        self.fmt_areas(f)?;
        self.fmt_network(f)?;
        self.fmt_trailer(f)
    }
}

impl Inspection {
    fn fmt_header(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(header) = &self.header else {
            return Ok(());
        };
        writeln!(f, "\nheader")?;
        field(f, "version", header.version)?;
        field(f, "header size", format_args!("{:#x}", header.header_size))?;
        let state = match self.payload {
            None | Some(PayloadState::Plain) => "",
            Some(PayloadState::Clear) => ", in clear despite its flag",
            Some(PayloadState::Encrypted) => ", encrypted",
            Some(PayloadState::Decrypted) => ", encrypted, opened for the check",
        };
        let size = header.payload_size;
        field(
            f,
            "payload",
            format_args!("{size} bytes ({size:#x}){state}"),
        )?;
        if let Some(vectors) = self.vectors {
            let (stack, reset) = (vectors.stack_pointer, vectors.reset);
            field(
                f,
                "vectors",
                format_args!("stack {stack:#010x}, reset {reset:#010x}"),
            )?;
        }
        if header.load_address != 0 {
            field(
                f,
                "load address",
                format_args!("{:#010x}", header.load_address),
            )?;
        }
        let names = if header.flag_names.is_empty() {
            "none".to_owned()
        } else {
            header.flag_names.join(", ")
        };
        field(f, "flags", format_args!("{:#010x} ({names})", header.flags))
    }

    fn fmt_areas(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for area in &self.areas {
            writeln!(f, "\n{} TLVs at {:#06x}", area.area, area.offset)?;
            for tlv in &area.tlvs {
                writeln!(
                    f,
                    "  {:#06x}  {:<26} {:>4} bytes  {}",
                    tlv.offset,
                    crate::TlvKind(tlv.kind).to_string(),
                    tlv.length,
                    value(tlv)
                )?;
            }
        }
        Ok(())
    }

    fn fmt_network(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(network) = &self.network else {
            return Ok(());
        };
        writeln!(f, "\nnetwork core")?;
        field(f, "fw version", network.firmware_version)?;
        field(f, "address", format_args!("{:#010x}", network.address))?;
        field(f, "firmware", format_args!("{} bytes", network.size))?;
        match &network.verdict {
            NetworkVerdict::Accepted => field(f, "b0n", "accepted"),
            NetworkVerdict::Refused { reason } => {
                field(f, "b0n", format_args!("refused: {reason}"))
            }
        }
    }

    fn fmt_trailer(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(trailer) = &self.trailer else {
            return Ok(());
        };
        writeln!(f, "\ntrailer")?;
        field(f, "magic", trailer.magic)?;
        field(f, "image_ok", trailer.image_ok)?;
        field(f, "copy_done", trailer.copy_done)?;
        field(
            f,
            "swap_info",
            format_args!(
                "{} of image {}",
                trailer.swap_info.swap_type, trailer.swap_info.image
            ),
        )?;
        field(f, "asks for", trailer.request)
    }
}

fn field(f: &mut fmt::Formatter<'_>, name: &str, value: impl fmt::Display) -> fmt::Result {
    writeln!(f, "  {name:<13} {value}")
}

fn value(tlv: &TlvReport) -> String {
    match (&tlv.meaning, &tlv.value) {
        (Some(meaning), _) => meaning.clone(),
        (None, Some(value)) if value.len() <= VALUE_MOST => value.clone(),
        (None, Some(value)) => format!("{}...", &value[..32]),
        (None, None) => String::new(),
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted {
                signature,
                signed_by,
                key_hash,
                decrypted_with,
            } => {
                write!(
                    f,
                    "accepted: {signature} signature by key `{signed_by}` ({key_hash})"
                )?;
                decrypted(f, decrypted_with.as_deref())
            }
            Self::HashMatches { decrypted_with } => {
                write!(
                    f,
                    "hash matches; signature not checked, for no key was given"
                )?;
                decrypted(f, decrypted_with.as_deref())
            }
            Self::Refused { reason, help } => with_help(f, "refused", reason, help.as_deref()),
            Self::Undecided { reason, help } => with_help(f, "undecided", reason, help.as_deref()),
        }
    }
}

fn decrypted(f: &mut fmt::Formatter<'_>, name: Option<&str>) -> fmt::Result {
    match name {
        Some(name) => write!(f, "; decrypted with key `{name}`"),
        None => Ok(()),
    }
}

fn with_help(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    reason: &str,
    help: Option<&str>,
) -> fmt::Result {
    write!(f, "{what}: {reason}")?;
    match help {
        Some(help) => write!(f, "\nhelp: {help}"),
        None => Ok(()),
    }
}
