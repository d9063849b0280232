//! A firmware set of small images, written to a folder of its own for each test.

#![allow(dead_code, reason = "each test program uses another part of it")]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set up its files has failed"
)]

use hil_image::{EncryptionKey, ImageBuilder, ImageVersion};
use hil_scenario::{FileError, FirmwareSet};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The roles that the scenario library asks for, with their versions.
const APP_RELEASES: [(&str, &str); 8] = [
    ("baseline", "1.0.0"),
    ("update", "2.0.0"),
    ("encrypted", "2.0.0"),
    ("never-confirms", "2.0.0"),
    ("crashes", "2.0.0"),
    ("wrong-key", "2.0.0"),
    ("tampered", "2.0.0"),
    ("downgrade", "0.9.0"),
];

/// A firmware set's file with its images around it; gone when dropped.
pub(crate) struct SetFolder {
    folder: TempDir,
    pub(crate) text: String,
}

impl SetFolder {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut releases = String::new();
        for (name, version) in APP_RELEASES {
            let encrypt_for = (name == "encrypted")
                .then(|| EncryptionKey::from_base64("AAAAAAAAAAAAAAAAAAAAAA==").unwrap());
            write_image(
                &folder.path().join(format!("{name}.bin")),
                version,
                encrypt_for.as_ref(),
            );
            writeln!(releases, "  {name}:").unwrap();
            if name == "baseline" {
                std::fs::write(folder.path().join("merged.hex"), ":00000001FF\n").unwrap();
                releases.push_str("    program: [{ core: app, file: merged.hex }]\n");
            }
            writeln!(releases, "    images:\n      app: {{ file: {name}.bin }}").unwrap();
            if matches!(name, "baseline" | "update") {
                write_image(
                    &folder.path().join(format!("{name}-net.bin")),
                    version,
                    None,
                );
                writeln!(releases, "      net: {{ file: {name}-net.bin }}").unwrap();
            }
        }
        write_image(&folder.path().join("net-other-ipc.bin"), "2.0.0", None);
        releases
            .push_str("  net-other-ipc:\n    images:\n      net: { file: net-other-ipc.bin }\n");
        let text = format!(
            "\
firmware: sample
layout:
  app.bootloader: {{ core: app, address: 0x00000000, size: 0xC000 }}
  app.primary:    {{ core: app, address: 0x0000C000, size: 0x40000 }}
  app.secondary:  {{ core: app, address: 0x0004C000, size: 0x40000 }}
  net.primary:    {{ core: net, address: 0x01008800, size: 0x37800 }}
bootloader:
  mode: swap-move
  signature: ecdsa-p256
  encryption: ec256
  downgrade-prevention: version
  network-core: pcd
releases:
{releases}"
        );
        Self { folder, text }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("sample.yaml")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Replaces the one place that reads `from`.
    pub(crate) fn with(mut self, from: &str, to: &str) -> Self {
        assert_eq!(
            self.text.matches(from).count(),
            1,
            "`{from}` is not there exactly once"
        );
        self.text = self.text.replace(from, to);
        self
    }

    pub(crate) fn load(&self) -> Result<FirmwareSet, FileError> {
        std::fs::write(self.path(), &self.text).unwrap();
        FirmwareSet::load(self.path())
    }

    /// The mistake in it as it is shown, with the folder's name taken out.
    pub(crate) fn mistake(&self) -> String {
        let rendered = self.load().expect_err("no mistake found").render();
        rendered.replace(&format!("{}/", self.folder.path().display()), "")
    }
}

fn write_image(path: &Path, version: &str, encrypt_for: Option<&EncryptionKey>) {
    let version: ImageVersion = version.parse().unwrap();
    let mut builder = ImageBuilder::new(vec![0x5A; 1000]).version(version);
    if let Some(key) = encrypt_for {
        builder = builder.encrypt(key);
    }
    let image = builder.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    std::fs::write(path, image).unwrap();
}
