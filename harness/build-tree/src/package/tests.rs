//! Zips that no SDK writes, made entry by entry so that they can lie.

use super::*;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use proptest::prelude::*;
use rstest::rstest;
use std::io::Write as _;

/// A member, and what its entry says of it.
struct Member {
    name: &'static str,
    method: u16,
    stored: Vec<u8>,
    declared: u32,
    crc: u32,
    flags: u16,
    mode: u32,
}

impl Member {
    fn stored(name: &'static str, contents: &[u8]) -> Self {
        let mut crc = flate2::Crc::new();
        crc.update(contents);
        Self {
            name,
            method: 0,
            stored: contents.to_vec(),
            declared: contents.len() as u32,
            crc: crc.sum(),
            flags: 0,
            mode: 0o100_644,
        }
    }

    fn deflated(name: &'static str, contents: &[u8]) -> Self {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(contents).unwrap();
        Self {
            method: 8,
            stored: encoder.finish().unwrap(),
            ..Self::stored(name, contents)
        }
    }

    fn declaring(self, declared: u32) -> Self {
        Self { declared, ..self }
    }

    fn mode(self, mode: u32) -> Self {
        Self { mode, ..self }
    }

    /// What stands in the local header and in the directory alike, from the version to the length of the name.
    fn common(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for half in [20, self.flags, self.method, 0, 0x5821] {
            bytes.extend(half.to_le_bytes());
        }
        bytes.extend(self.crc.to_le_bytes());
        bytes.extend((self.stored.len() as u32).to_le_bytes());
        bytes.extend(self.declared.to_le_bytes());
        bytes.extend((self.name.len() as u16).to_le_bytes());
        bytes
    }
}

/// A zip of these members (APPNOTE 4.3).
fn zip(members: &[Member]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for member in members {
        let offset = bytes.len() as u32;
        bytes.extend(b"PK\x03\x04");
        bytes.extend(member.common());
        bytes.extend([0, 0]);
        bytes.extend(member.name.as_bytes());
        bytes.extend(&member.stored);
        directory.extend(b"PK\x01\x02");
        // Made on Unix, so that the mode counts.
        directory.extend([20, 3]);
        directory.extend(member.common());
        directory.extend([0; 8]);
        directory.extend((member.mode << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(member.name.as_bytes());
    }
    let start = bytes.len() as u32;
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend((members.len() as u16).to_le_bytes());
    bytes.extend((members.len() as u16).to_le_bytes());
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

const MANIFEST_TEXT: &[u8] =
    br#"{ "format-version": 1, "name": "app", "files": [ { "file": "app.bin", "size": 5 } ] }"#;

fn manifest() -> Member {
    Member::stored(MANIFEST, MANIFEST_TEXT)
}

#[rstest]
#[case::as_the_sdk_stores_it(Member::stored("app.bin", b"image"))]
#[case::repacked(Member::deflated("app.bin", b"image"))]
fn a_package_is_unpacked(#[case] image: Member) {
    let package = Package::parse(&zip(&[image, manifest()])).unwrap();
    assert_eq!(package.members["app.bin"], b"image");
    assert_eq!(package.manifest.name, "app");
}

#[rstest]
#[case::upwards(
    Member::stored("../app.bin", b"image"),
    "member `../app.bin` is a path that leads upwards, expected a plain file name"
)]
#[case::upwards_on_windows(
    Member::stored("..\\app.bin", b"image"),
    "member `..\\app.bin` is a path that leads upwards, expected a plain file name"
)]
#[case::from_the_root(
    Member::stored("/etc/passwd", b"image"),
    "member `/etc/passwd` is an absolute path, expected a plain file name"
)]
#[case::a_drive(
    Member::stored("C:app.bin", b"image"),
    "member `C:app.bin` is an absolute path, expected a plain file name"
)]
#[case::in_a_folder(
    Member::stored("a/app.bin", b"image"),
    "member `a/app.bin` is a path, expected a plain file name"
)]
#[case::a_folder(
    Member::stored("a/", b""),
    "member `a/` is a folder, expected a plain file name"
)]
#[case::a_terminal_sequence(
    Member::stored("\x1b[2Japp.bin", b"image"),
    "member `?[2Japp.bin` is a name with unusual characters, expected a plain file name"
)]
#[case::hidden(
    Member::stored(".app.bin", b"image"),
    "member `.app.bin` is a name with unusual characters, expected a plain file name"
)]
#[case::link(Member::stored("app.bin", b"/etc/passwd").mode(0o120_777), "member `app.bin` is a link, expected a plain file name")]
#[case::device(Member::stored("app.bin", b"image").mode(0o060_666), "member `app.bin` is a special file, expected a plain file name")]
#[case::encrypted(Member { flags: 1, ..Member::stored("app.bin", b"image") }, "member `app.bin` is encrypted, expected a stored or deflated one without a password")]
#[case::declared_too_long(Member::stored("app.bin", b"image").declaring(0x7FFF_FFFF), "member `app.bin` would have 2147483647 bytes, expected at most 8388608")]
#[case::bomb(Member::deflated("app.bin", &vec![0; 4 * 1024 * 1024]), "member `app.bin` unpacks 4080 bytes to 4194304, expected at most 200 times as many")]
#[case::longer_than_declared(Member::deflated("app.bin", &[1; 5000]).declaring(5), "member `app.bin` unpacks to more than the 5 bytes that its entry declares")]
#[case::another_length_than_the_manifest_says(
    Member::stored("app.bin", b"image2"),
    "member `app.bin` has 6 bytes, `manifest.json` says 5"
)]
#[case::not_what_the_manifest_names(
    Member::stored("net.bin", b"image"),
    "`manifest.json` names `app.bin`, which is not in the zip"
)]
fn what_no_sdk_packs_is_refused(#[case] member: Member, #[case] message: &str) {
    let error = Package::parse(&zip(&[member, manifest()])).unwrap_err();
    assert_eq!(error.to_string(), message);
    assert!(!error.help().is_empty());
}

#[test]
fn a_shorter_member_than_declared_is_refused() {
    let member = Member::deflated("app.bin", b"image").declaring(50);
    let error = Package::parse(&zip(&[member, manifest()])).unwrap_err();
    // Its checksum is that of five bytes, so either is a way to notice.
    assert!(
        matches!(error, PackageError::Declared { .. } | PackageError::Zip(_)),
        "{error}"
    );
}

#[test]
fn an_unknown_method_is_refused_by_name() {
    let member = Member {
        method: 12,
        ..Member::stored("app.bin", b"image")
    };
    let error = Package::parse(&zip(&[member, manifest()])).unwrap_err();
    assert!(matches!(error, PackageError::Stored { .. }), "{error}");
}

#[test]
fn two_members_of_one_name_are_refused() {
    let members = [
        Member::stored("app.bin", b"image"),
        Member::stored("app.bin", b"other"),
        manifest(),
    ];
    let error = Package::parse(&zip(&members)).unwrap_err();
    assert_eq!(
        error,
        PackageError::SameName {
            listed: 3,
            different: 2
        }
    );
}

#[test]
fn members_without_number_are_refused_before_they_are_read() {
    let members: Vec<_> = (0..17).map(|_| Member::stored("a", b"")).collect();
    let error = Package::parse(&zip(&members)).unwrap_err();
    assert_eq!(error, PackageError::Members { found: 17 });
}

#[rstest]
#[case::empty(b"".to_vec(), "is no zip, or a damaged one: it has no end record")]
#[case::no_manifest(zip(&[Member::stored("app.bin", b"image")]), "has no `manifest.json`")]
#[case::damaged_contents(
    zip(&[Member { crc: 1, ..Member::stored("app.bin", b"image") }, manifest()]),
    "is no zip, or a damaged one: member `app.bin`: Invalid checksum"
)]
fn a_file_that_is_no_package_is_refused(#[case] bytes: Vec<u8>, #[case] message: &str) {
    assert_eq!(Package::parse(&bytes).unwrap_err().to_string(), message);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Package::parse(&bytes);
    }

    #[test]
    fn a_damaged_package_never_panics(at in 0usize..400, byte in any::<u8>()) {
        let mut bytes = zip(&[Member::deflated("app.bin", b"image"), manifest()]);
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(package) = Package::parse(&bytes) {
            prop_assert!(package.members.len() <= 1);
        }
    }
}
