//! What the nRF Connect SDK leaves in a build folder, firmware sets made from it, and checks without a board.
//!
//! [`BuildTree::read`] recognises a build of child images (SDK 2.3 to 2.6) or sysbuild (2.7 on) and says what is missing
//! and why it usually is. [`import`](fn@import) makes a firmware set of two of them, and [`check`](fn@check) holds a set's images against
//! the bootloader that the set describes. Everything that is not fine is a [`Finding`], which names the file, what was
//! found, what was expected, and what to try.
//!
//! Build folders, zips and tables come from outside: they are read with limits, never followed out of their folder, and
//! nothing in them can make this crate panic or fill the memory. Private keys are referred to by their path and not read by
//! an import. Knows nothing of boards, and waits for nothing.

mod bootloader;
mod check;
mod finding;
mod folder;
mod hex_file;
mod import;
mod kconfig;
mod keys;
mod line;
mod manifest;
mod multi_image;
mod package;
mod partitions;
mod smp;
mod tree;
mod unmodelled;

pub use bootloader::{Bootloader, bootloader};
pub use check::{CheckError, CheckedImage, Report, check};
pub use finding::{Finding, Severity, worst};
pub use folder::{Folder, FolderError, is_plain_name};
pub use hex_file::{HexError, HexFile, MAX_HEX_BYTES};
pub use import::{ImportOptions, Imported, import};
pub use kconfig::Kconfig;
pub use keys::{key_in_source, published, to_pem};
pub use manifest::{Manifest, ManifestError, ManifestFile};
pub use multi_image::{MultiImageError, PackedImage, parse_multi_image};
pub use package::{MAX_ZIP_BYTES, Package, PackageError};
pub use partitions::{Partition, Partitions, PartitionsError};
pub use tree::{BuildSystem, BuildTree, Output, TreeError};
