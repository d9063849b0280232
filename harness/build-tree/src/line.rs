//! Which MCUboot a build folder's bootloader is of: by its own commit, else by the version of the SDK.
//!
//! The SDK pins `nrfconnect/sdk-mcuboot` by a tag. From SDK 2.5 on MCUboot has a version of its own, and a build of it writes
//! the commit into `app_version.h`; the SDK's version is in `ncs_version.h` in all of them.

use crate::finding::Finding;
use crate::folder::FolderError;
use crate::tree::BuildTree;
use hil_bootloader::{Line, Mode};

/// Larger headers are none of these.
const MAX_HEADER_BYTES: u64 = 64 * 1024;

/// Digits of a commit as builds write it.
const COMMIT_DIGITS: usize = 12;

/// Tags of sdk-mcuboot and their commits, as far as a line is known for them.
const RELEASES: [(&str, &str, Line); 12] = [
    ("9c58609b3d35", "v1.9.99-ncs4", Line::Nordic23),
    ("d5d451ec21d7", "v1.10.0-ncs1", Line::Nordic24),
    ("289166425805", "v1.10.99-ncs1", Line::Nordic25),
    ("3c2f2ff12bc2", "v2.0.99-ncs1", Line::Nordic26),
    ("daf2946a0f07", "v2.1.0-ncs1", Line::Nordic27),
    ("4594a8693738", "v2.1.0-ncs2", Line::Nordic29),
    ("12e5ee106034", "v2.1.0-ncs3", Line::Nordic29),
    ("ae1ee57f3906", "v2.1.0-ncs5", Line::Nordic30),
    ("2b69d93e75bc", "ncs-v3.1.0", Line::Nordic31),
    ("0d9411f5dda3", "ncs-v3.2.0", Line::Nordic34),
    ("c1d2d128a001", "ncs-v3.4.0", Line::Nordic34),
    ("e994ef4e2828", "main of August 2026", Line::Nordic),
];

/// What the bootloader's own headers say.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Origin {
    /// Its commit or tag (`APP_BUILD_VERSION`).
    pub(crate) build: Option<String>,
    /// The SDK that it was built with (`NCS_VERSION_STRING`), which may be another than the application's.
    pub(crate) sdk: Option<String>,
}

impl Origin {
    /// Reads the headers of MCUboot's image.
    pub(crate) fn of(tree: &BuildTree) -> Result<Self, FolderError> {
        let mut origin = Self::default();
        for place in ["include/generated", "include/generated/zephyr"] {
            let text = |name: &str| {
                let file = format!("mcuboot/zephyr/{place}/{name}");
                tree.folder.text(&file, MAX_HEADER_BYTES)
            };
            if let Some(header) = text("app_version.h")? {
                origin.build = origin
                    .build
                    .or_else(|| defined(&header, "APP_BUILD_VERSION"));
            }
            if let Some(header) = text("ncs_version.h")? {
                origin.sdk = origin
                    .sdk
                    .or_else(|| defined(&header, "NCS_VERSION_STRING"));
            }
        }
        Ok(origin)
    }
}

/// What a macro is defined as, without quotes.
fn defined(header: &str, name: &str) -> Option<String> {
    header.lines().find_map(|line| {
        let value = line.trim().strip_prefix("#define ")?.strip_prefix(name)?;
        let value = value.trim_start_matches([' ', '\t']);
        let value = value.trim().trim_matches('"');
        (!value.is_empty()).then(|| value.to_owned())
    })
}

/// The line of a build folder's MCUboot, and what there is to say about how it was found.
pub(crate) fn line(tree: &BuildTree, mode: Mode) -> (Line, Option<Finding>) {
    let origin = &tree.mcuboot_origin;
    let sdk = origin.sdk.as_ref().or(tree.sdk.as_ref());
    let (line, finding) = match (by_commit(origin.build.as_deref()), sdk) {
        (Some(line), _) => (line, None),
        (None, Some(version)) => by_version(version, tree),
        (None, None) => (
            Line::default(),
            Some(unknown(tree, "has no `ncs_version.h`")),
        ),
    };
    if mode == Mode::SwapOffset && !line.has_swap_offset() {
        let finding = Finding::warning(
            tree.shown("mcuboot/zephyr/.config"),
            format_args!("swaps using offset, which MCUboot of {line} cannot"),
        )
        .expected("an MCUboot of SDK 3.0 or later")
        .help(ADVICE);
        return (Line::Nordic30, Some(finding));
    }
    (line, finding)
}

const ADVICE: &str =
    "write the right `line` into the set; docs/bootloader.md says what the lines differ in";

fn unknown(tree: &BuildTree, what: &str) -> Finding {
    Finding::warning(
        tree.shown("mcuboot"),
        format_args!("{what}: nothing tells of which release its MCUboot is"),
    )
    .expected(format_args!(
        "`{}` with NCS_VERSION_STRING; taken as {}",
        tree.shown("mcuboot/zephyr/include/generated/ncs_version.h"),
        Line::default()
    ))
    .help(ADVICE)
}

/// `git describe` of a checkout: a tag, a commit, or both.
fn by_commit(build: Option<&str>) -> Option<Line> {
    let build = build?;
    RELEASES
        .iter()
        .find(|(commit, tag, _)| {
            let digits = build.get(..COMMIT_DIGITS);
            build == *tag || digits == Some(*commit)
        })
        .map(|(_, _, line)| *line)
}

fn by_version(version: &str, tree: &BuildTree) -> (Line, Option<Finding>) {
    let mut parts = version.split(['.', '-']).map(str::parse::<u16>);
    let (Some(Ok(major)), Some(Ok(minor))) = (parts.next(), parts.next()) else {
        let finding = unknown(tree, &format!("is of SDK `{version}`"));
        return (Line::default(), Some(finding));
    };
    // 2.5.99 is on its way to 2.6.
    let between = matches!(parts.next(), Some(Ok(99)));
    let line = match (major, minor + u16::from(between)) {
        (..2, _) | (2, ..=3) => Line::Nordic23,
        (2, 4) => Line::Nordic24,
        (2, 5) => Line::Nordic25,
        (2, 6) => Line::Nordic26,
        (2, 7) => Line::Nordic27,
        (2, _) => Line::Nordic29,
        (3, 0) => Line::Nordic30,
        (3, 1) => Line::Nordic31,
        (3, ..=4) => Line::Nordic34,
        _ => Line::Nordic,
    };
    let older = (major, minor) < (2, 3);
    let why = if between {
        "is of a development version between two releases"
    } else if older {
        "is of an SDK before 2.3, of which no MCUboot is modelled"
    } else {
        return (line, None);
    };
    let finding = Finding::warning(tree.shown("mcuboot"), format_args!("{why}: {version}"))
        .expected(format_args!("a release; taken as {line}, the nearest one"))
        .help(ADVICE);
    (line, Some(finding))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::three_oh("ae1ee57f3906", Some(Line::Nordic30))]
    #[case::tag("v2.1.0-ncs1", Some(Line::Nordic27))]
    #[case::whole_commit("12e5ee106034aabbccddeeff0011223344556677", Some(Line::Nordic29))]
    #[case::own_commit("adab597a0eb0", None)]
    #[case::short("12e5", None)]
    fn a_commit_of_a_release_tells_its_line(#[case] build: &str, #[case] line: Option<Line>) {
        assert_eq!(by_commit(Some(build)), line);
    }

    #[rstest]
    #[case::bare("#define APP_BUILD_VERSION adab597a0eb0\r\n", Some("adab597a0eb0"))]
    #[case::quoted("#define APP_BUILD_VERSION  \"v2.1.0-ncs1\"\n", Some("v2.1.0-ncs1"))]
    #[case::absent("#define APP_VERSION_STRING \"1.11.99-dev\"\n", None)]
    #[case::empty("#define APP_BUILD_VERSION \n", None)]
    fn a_header_tells_what_mcuboot_was_built_from(
        #[case] header: &str,
        #[case] value: Option<&str>,
    ) {
        assert_eq!(defined(header, "APP_BUILD_VERSION").as_deref(), value);
    }
}
